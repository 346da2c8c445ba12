//! A request head read whole and read in two pieces gives the same result.
#![no_main]

use http1::{Limits, Lines, Status, parse_request};

libfuzzer_sys::fuzz_target!(|input: (usize, &[u8])| {
    let (cut, data) = input;
    let limits = Limits::default();
    let (mut a, mut b) = (Lines::default(), Lines::default());
    let whole = parse_request(data, &limits, &mut a);
    let part = parse_request(&data[..cut % (data.len() + 1)], &limits, &mut b);
    match (part, whole) {
        (Ok(Status::Partial), _) => {}
        (Err(part), whole) => assert_eq!(Some(part), whole.err()),
        (Ok(Status::Complete(part)), Ok(Status::Complete(whole))) => {
            assert_eq!(part.meta, whole.meta);
            assert_eq!(part.fields.lines, whole.fields.lines);
        }
        (part, whole) => panic!("{part:?} became {whole:?}"),
    }
});
