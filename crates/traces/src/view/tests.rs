//! The waterfall of a usual trace, and of what nobody should send.

use super::*;
use crate::trace::Head;
use crate::{Packer, Unpacker, row};

const MS: u64 = 1_000_000;
/// When the request began.
const ZERO: u64 = 1_700_000_000_000 * MS;

fn span(id: u64, parent: u64, service: &str, ms: [u64; 2]) -> Span {
    Span {
        id,
        parent,
        service: service.into(),
        name: format!("span {id}").into(),
        start: ZERO + ms[0] * MS,
        end: ZERO + ms[1] * MS,
        ..Span::default()
    }
}

fn trace(spans: Vec<Span>) -> Trace {
    let head = Head {
        route: "home".into(),
        start: ZERO,
        end: ZERO + 100 * MS,
        why: "slow".into(),
        ..Head::default()
    };
    let mut trace = Trace::new(7);
    (trace.head, trace.spans) = (head, spans);
    trace
}

fn rows(v: &View) -> Vec<(u64, u16, u64, u64)> {
    let of = |r: &Row| (r.id, r.depth, r.self_us / 1000, r.critical_us / 1000);
    v.rows.iter().map(of).collect()
}

#[test]
fn a_waterfall_has_self_time_and_the_critical_path() {
    let v = View::of(&trace(vec![
        span(4, 3, "stock", [70, 90]),
        span(1, 99, OWN, [0, 100]),
        span(2, 1, OWN, [5, 95]),
        span(3, 2, "stock", [10, 90]),
        // Beside the one that ended last: nobody waited for it.
        span(5, 3, "stock", [20, 60]),
        span(6, 3, "stock", [20, 70]),
    ]));
    assert_eq!(
        rows(&v),
        [
            (1, 0, 10, 10),
            (2, 1, 10, 10),
            (3, 2, 10, 10),
            (6, 3, 50, 50),
            (5, 3, 40, 0),
            (4, 3, 20, 20)
        ]
    );
    assert_eq!((v.from_us, v.to_us), (0, 100_000));
    assert_eq!(v.notes, Vec::<String>::new());
    assert_eq!(v.summary.services, ["stock".into()]);
}

#[test]
fn parents_that_are_missing_and_circles_are_shown_and_said() {
    let v = View::of(&trace(vec![
        span(1, 0, OWN, [0, 100]),
        span(2, 77, "stock", [10, 20]),
        span(3, 4, "stock", [30, 40]),
        span(4, 5, "stock", [31, 39]),
        span(5, 3, "stock", [32, 38]),
        span(6, 6, "stock", [50, 60]),
    ]));
    assert_eq!(v.rows.len(), 6);
    assert_eq!(
        rows(&v).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(),
        [(1, 0), (2, 0), (3, 0), (5, 1), (4, 2), (6, 0)]
    );
    assert!(
        v.notes[0].starts_with("Spans whose parent") && v.notes[0].ends_with(": 1."),
        "{:?}",
        v.notes
    );
    assert!(
        v.notes[1].starts_with("Spans that are their own") && v.notes[1].ends_with(": 2."),
        "{:?}",
        v.notes
    );
}

#[test]
fn clocks_that_jump_are_bounded_and_said() {
    let mut back = span(2, 1, "stock", [50, 60]);
    back.end = ZERO;
    let mut ages = span(3, 1, "stock", [0, 1]);
    (ages.start, ages.end) = (0, u64::MAX);
    let mut future = span(4, 1, "stock", [0, 1]);
    (future.start, future.end) = (u64::MAX - 1, u64::MAX);
    let v = View::of(&trace(vec![span(1, 0, OWN, [0, 100]), back, ages, future]));
    assert_eq!((v.from_us, v.to_us), (0, 100_000));
    assert!(
        v.notes[0].starts_with("Spans that end before") && v.notes[0].ends_with(": 1."),
        "{:?}",
        v.notes
    );
    assert!(
        v.notes[1].starts_with("Spans far") && v.notes[1].ends_with(": 2."),
        "{:?}",
        v.notes
    );
}

#[test]
fn what_the_gateway_tells_is_found_and_nothing_of_others() {
    let tells = |mut s: Span, kind, value: &str| {
        s.kind = kind;
        s.attributes = vec![("url.path".into(), value.into())];
        s
    };
    let of_service = tells(span(1, 0, "front", [0, 1]), 2, "/theirs");
    let attempt = tells(span(3, 2, OWN, [0, 90]), 3, "/try");
    let own = tells(span(2, 0, OWN, [0, 100]), 2, "/ours");
    let v = View::of(&trace(vec![of_service.clone(), attempt, own]));
    assert_eq!(v.told("url.path"), Some("/ours"));
    assert_eq!(v.told("client.address"), None);
    assert_eq!(View::of(&trace(vec![of_service])).told("url.path"), None);
}

#[test]
fn a_chain_of_a_thousand_spans_needs_no_deep_stack() {
    let spans = (1..=1000)
        .map(|id| span(id, id - 1, "deep", [0, 100]))
        .collect();
    let v = View::of(&trace(spans));
    assert_eq!((v.rows.len(), v.rows[999].depth), (1000, 999));
}

#[test]
fn a_trace_is_the_same_after_the_disk_and_rubbish_is_none() {
    let mut t = trace(vec![span(1, 0, OWN, [0, 100])]);
    t.add_line(Line {
        at: ZERO,
        text: "sold out".into(),
        severity: Severity::Warn,
        ..Line::default()
    });
    let rows = Packer::new().unwrap().rows(&t).unwrap();
    let (bytes, mut read) = (rows.all, Unpacker::new().unwrap());
    assert_eq!(read.trace(&bytes), Some(t.clone().weighed()));
    assert_eq!(read.summary(&rows.list), Some(t.summary()));
    for damaged in [&bytes[..bytes.len() / 2], b"x", b""] {
        assert!(read.trace(damaged).is_none() && read.summary(damaged).is_none());
    }
    let place = row::place(&t);
    assert_eq!(row::place_of(&row::keys(place)[0]), Some(place));
    let json = serde_json::to_value(View::of(&t)).unwrap();
    assert_eq!(json["id"], "00000000000000000000000000000007");
    assert_eq!(
        (&json["rows"][0]["parent"], &json["said"][0]["severity"]),
        (&"".into(), &"warn".into())
    );
}
