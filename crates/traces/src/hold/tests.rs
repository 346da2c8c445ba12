//! What is kept, what is not, and that nothing grows.

use super::*;
use crate::{LINE_BYTES, LINES, SPANS};

fn at(s: f64) -> Nanos {
    Nanos::from_secs_f64(s)
}

fn span(id: u64, service: &str) -> Span {
    Span {
        id,
        service: service.into(),
        start: 1_000,
        end: 2_000,
        ..Span::default()
    }
}

fn line(text: &str) -> Line {
    Line {
        service: "stock".into(),
        text: text.into(),
        ..Line::default()
    }
}

fn head(start: u64) -> Head {
    Head {
        route: "home".into(),
        start,
        end: start + 10,
        ..Head::default()
    }
}

#[test]
fn what_comes_before_and_after_the_request_belongs_to_its_trace() {
    let mut h = Hold::default();
    h.span(7, span(2, "stock"), at(0.0));
    h.line(7, line("before"), at(0.1));
    assert!(h.turn(at(0.5)).is_empty(), "undecided");
    h.keep(7, head(5), vec![span(1, "plimsoll")], at(1.0));
    let due = h.turn(at(1.0));
    assert_eq!(
        (due.len(), due[0].first, due[0].trace.spans.len()),
        (1, true, 2)
    );
    h.span(7, span(3, "stock"), at(6.0));
    h.span(7, span(3, "stock"), at(6.0));
    h.line(7, line("after"), at(6.0));
    let due = h.turn(at(6.0));
    assert!(!due[0].first);
    assert_eq!((due[0].trace.spans.len(), due[0].trace.lines.len()), (3, 2));
    assert!(h.turn(at(7.0)).is_empty(), "written");
    h.turn(at(36.1));
    assert!(h.open.is_empty() && h.opened.is_empty() && h.memory() == 0);
    assert_eq!((h.counts.traces, h.counts.lines.kept), (1, 2));
}

#[test]
fn each_trace_is_written_within_seconds_and_not_for_every_part() {
    let mut h = Hold::default();
    h.keep(7, head(5), vec![], at(0.0));
    let mut written = 0;
    let mut last = at(0.0);
    for i in 0..60u32 {
        let now = at(f64::from(i));
        h.span(7, span(u64::from(i) + 1, "stock"), now);
        if !h.turn(now).is_empty() {
            assert!(now.since(last) <= AGAIN + Duration::from_secs(1));
            (written, last) = (written + 1, now);
        }
    }
    assert!((15..=21).contains(&written), "{written}");
    assert_eq!(h.rest().len(), 1, "the last of it");
}

#[test]
fn what_no_request_is_kept_for_is_forgotten_and_counted() {
    let mut h = Hold::default();
    h.span(7, span(1, "stock"), at(0.0));
    h.let_go(7);
    h.span(7, span(2, "stock"), at(1.0));
    h.line(7, line("x"), at(1.0));
    assert_eq!((h.counts.spans.let_go, h.counts.lines.let_go), (2, 1));
    h.span(8, span(1, "stock"), at(1.0));
    h.line(0, line("of no trace"), at(1.0));
    h.turn(at(62.0));
    assert_eq!((h.counts.spans.undecided, h.counts.lines.alone), (1, 1));
    assert_eq!((h.memory(), h.order.len()), (0, 0));
    // A later request of the same trace that is kept has it begin again.
    h.keep(7, head(5), vec![], at(70.0));
    h.span(7, span(3, "stock"), at(70.0));
    assert_eq!(h.counts.spans.kept, 1);
}

#[test]
fn a_million_spans_of_one_trace_are_counted_and_the_gateways_own_are_there() {
    let mut h = Hold::default();
    for id in 1..=1_000_000u64 {
        h.span(7, span(id, "stock"), at(0.0));
    }
    h.keep(7, head(5), vec![span(u64::MAX, "plimsoll")], at(0.0));
    let due = h.turn(at(0.0));
    let trace = &due[0].trace;
    assert_eq!(trace.spans.len(), SPANS);
    assert!(trace.spans.iter().any(|s| &*s.service == "plimsoll"));
    assert_eq!(trace.left_out.spans, 1_000_001 - SPANS as u64);
    assert!(h.memory() < OPEN_BYTES);
}

#[test]
fn lines_have_a_bound_in_number_and_in_bytes() {
    let mut h = Hold::default();
    h.keep(7, head(5), vec![], at(0.0));
    let long = "x".repeat(4000);
    for i in 0..1000 {
        h.line(7, line(&format!("{i} {long}")), at(0.0));
        h.line(7, line(&format!("{i}")), at(0.0));
    }
    let due = h.turn(at(0.0));
    let kept = &due[0].trace.lines;
    assert!(kept.len() <= LINES && kept.iter().map(Line::bytes).sum::<usize>() <= LINE_BYTES);
    assert_eq!(due[0].trace.left_out.lines, 2000 - kept.len() as u64);
}

#[test]
fn nothing_grows_without_a_bound() {
    let mut h = Hold::default();
    for trace in 1..200_000u128 {
        h.span(trace, span(1, "stock"), at(0.0));
        h.let_go(trace + 1_000_000);
    }
    assert!(h.memory() <= WAITING_BYTES);
    assert!(h.waiting.len() <= h.order.len() && h.order.len() < 100_000);
    assert!(h.counts.spans.undecided > 100_000);
    assert!(h.gone.len() <= GONE && h.gone_order.len() <= GONE);
    for trace in 1..200_000u128 {
        h.keep(trace, head(5), vec![span(2, "plimsoll")], at(1.0));
        if trace % 1000 == 0 {
            h.turn(at(1.0));
            assert!(h.memory() <= WAITING_BYTES + OPEN_BYTES + (1 << 20));
        }
    }
    h.turn(at(1000.0));
    h.turn(at(1001.0));
    assert_eq!((h.memory(), h.open.len(), h.opened.len()), (0, 0, 0));
}
