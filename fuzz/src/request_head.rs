//! A request head read whole and read in two pieces gives the same result.

use http1::{Limits, Lines, Status, parse_request};

pub fn check(data: &[u8]) {
    let (cut, data) = crate::cut(data);
    let limits = Limits::default();
    let (mut a, mut b) = (Lines::default(), Lines::default());
    let whole = parse_request(data, &limits, &mut a);
    let part = parse_request(&data[..cut], &limits, &mut b);
    match (part, whole) {
        (Ok(Status::Partial), _) => {}
        (Err(part), whole) => assert_eq!(Some(part), whole.err()),
        (Ok(Status::Complete(part)), Ok(Status::Complete(whole))) => {
            assert_eq!(part.meta, whole.meta);
            assert_eq!(part.fields.lines, whole.fields.lines);
        }
        (part, whole) => panic!("{part:?} became {whole:?}"),
    }
}
