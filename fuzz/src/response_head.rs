//! A response head read whole and read in two pieces gives the same result.

use http1::{Limits, Lines, Method, Status, parse_response};

pub fn check(data: &[u8]) {
    let (cut, data) = crate::cut(data);
    let limits = Limits::default();
    let (mut a, mut b) = (Lines::default(), Lines::default());
    let whole = parse_response(data, &limits, Method::Get, &mut a);
    let part = parse_response(&data[..cut], &limits, Method::Get, &mut b);
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
