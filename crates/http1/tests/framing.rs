//! Every message of the corpus: whole, byte by byte, and cut at every point, always with the same result.

mod common;

use common::corpus::{self, Expect};
use common::{Outcome, feed};
use http1::Limits;

fn limits() -> Limits {
    Limits {
        head: 800,
        headers: 10,
        target: 200,
        body: 1000,
        trailers: 64,
        ..Limits::default()
    }
}

#[test]
fn the_vectors_of_request_framing_are_35() {
    assert_eq!(corpus::vectors().len(), 35);
    assert!(
        corpus::vectors()
            .iter()
            .all(|c| matches!(c.expect, Expect::Refused(..)))
    );
}

#[test]
fn what_comes_of_each_message() {
    for case in corpus::all() {
        let outcome = feed(case.side, &case.message, &[], &limits());
        match (case.expect, &outcome) {
            (Expect::Refused(status, reason), Outcome::Refused(s, r)) => {
                assert_eq!((status, reason), (*s, *r), "{}", case.name);
            }
            (Expect::Body(body, left), Outcome::Message { payload, rest, .. }) => {
                assert_eq!(
                    (body.as_bytes(), left),
                    (&payload[..], *rest),
                    "{}",
                    case.name
                );
            }
            (Expect::Incomplete, Outcome::Incomplete) => {}
            (expect, outcome) => panic!("{}: expected {expect:?}, got {outcome:?}", case.name),
        }
    }
}

#[test]
fn byte_by_byte_and_cut_anywhere_the_result_is_the_same() {
    for case in corpus::all() {
        let n = case.message.len();
        let whole = feed(case.side, &case.message, &[], &limits());
        let bytes: Vec<usize> = (1..n).collect();
        let one_by_one = feed(case.side, &case.message, &bytes, &limits());
        assert_eq!(one_by_one, whole, "{} byte by byte", case.name);
        for cut in 1..n {
            let split = feed(case.side, &case.message, &[cut], &limits());
            assert_eq!(split, whole, "{} cut at {cut}", case.name);
        }
    }
}
