//! Spans that wait until their trace is whole: services send theirs some seconds apart. Pure; the time is passed in.

use crate::span::Span;
use base::Nanos;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// A trace is taken to be whole when none of its spans has come for this long: SDKs send every 5 s.
const QUIET: Duration = Duration::from_secs(6);
/// But not later than this after its first.
const LONGEST: Duration = Duration::from_secs(20);
/// Spans of one trace; one with more is of no use, because its counts would be wrong.
const SPANS: usize = 5000;
/// Memory of all that waits, bytes; when it is full, senders are told to come back.
const BYTES: usize = 32 << 20;
/// Traces that were settled last, so that what comes late is known to be late.
const SETTLED: usize = 20_000;

#[derive(Default)]
pub struct Traces {
    waiting: HashMap<u128, Waiting>,
    bytes: usize,
    settled: HashMap<u128, ()>,
    order: VecDeque<u128>,
    /// Spans of traces that were settled before they came.
    pub late: u64,
    /// Traces with too many spans.
    pub cut: u64,
}

struct Waiting {
    spans: Vec<Span>,
    bytes: usize,
    first: Nanos,
    last: Nanos,
    cut: bool,
}

impl Traces {
    pub fn is_full(&self) -> bool {
        self.bytes >= BYTES
    }

    pub fn take(&mut self, spans: Vec<Span>, now: Nanos) {
        for span in spans {
            if self.settled.contains_key(&span.trace) {
                self.late += 1;
                continue;
            }
            let trace = self.waiting.entry(span.trace).or_insert_with(|| Waiting {
                spans: Vec::new(),
                bytes: size_of::<Waiting>(),
                first: now,
                last: now,
                cut: false,
            });
            trace.last = now;
            if trace.spans.len() >= SPANS {
                trace.cut = true;
                continue;
            }
            trace.bytes += span.bytes();
            self.bytes += span.bytes();
            trace.spans.push(span);
        }
    }

    /// The traces that are taken to be whole now.
    pub fn settle(&mut self, now: Nanos) -> Vec<Vec<Span>> {
        let due = |w: &Waiting| now.since(w.last) >= QUIET || now.since(w.first) >= LONGEST;
        let ready: Vec<u128> = (self.waiting.iter().filter(|(_, w)| due(w)))
            .map(|(id, _)| *id)
            .collect();
        let mut whole = Vec::with_capacity(ready.len());
        for id in ready {
            let Some(w) = self.waiting.remove(&id) else {
                continue;
            };
            self.bytes -= w.spans.iter().map(Span::bytes).sum::<usize>();
            self.remember(id);
            match w.cut {
                true => self.cut += 1,
                false => whole.push(w.spans),
            }
        }
        whole
    }

    fn remember(&mut self, id: u128) {
        self.settled.insert(id, ());
        self.order.push_back(id);
        if self.order.len() > SETTLED
            && let Some(old) = self.order.pop_front()
        {
            self.settled.remove(&old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Act;

    fn span(trace: u128, id: u64) -> Span {
        Span {
            trace,
            id,
            parent: 0,
            start: 0,
            end: 1,
            service: "front".into(),
            act: Act::Work,
        }
    }

    fn at(s: f64) -> Nanos {
        Nanos::from_secs_f64(s)
    }

    #[test]
    fn a_trace_is_whole_when_it_is_quiet_and_what_comes_then_is_late() {
        let mut t = Traces::default();
        t.take(vec![span(1, 1), span(2, 2)], at(0.0));
        t.take(vec![span(1, 3)], at(5.0));
        assert_eq!(t.settle(at(5.9)), Vec::<Vec<Span>>::new());
        assert_eq!(t.settle(at(6.0)), [[span(2, 2)]]);
        assert_eq!(t.settle(at(11.0)), [[span(1, 1), span(1, 3)]]);
        t.take(vec![span(1, 4)], at(12.0));
        assert_eq!((t.late, t.bytes), (1, 0));
        for s in 0..30 {
            t.take(vec![span(3, 100 + s)], at(20.0 + s as f64));
        }
        assert_eq!(t.settle(at(50.0))[0].len(), 30, "it does not wait for ever");
    }

    #[test]
    fn nothing_grows_without_a_bound() {
        let mut t = Traces::default();
        let many = |trace| (0..SPANS as u64 + 1).map(|i| span(trace, i + 1)).collect();
        t.take(many(1), at(0.0));
        assert!(t.settle(at(60.0)).is_empty());
        assert_eq!((t.cut, t.bytes), (1, 0));
        let mut trace = 1000;
        while !t.is_full() {
            t.take(vec![span(trace, 1)], at(100.0));
            trace += 1;
        }
        t.settle(at(200.0));
        assert_eq!((t.bytes, t.settled.len()), (0, SETTLED));
    }
}
