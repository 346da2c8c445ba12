//! Decides the identity of an exchange: whose trace it joins, which route called it, and what is sent on.

use super::b3::{B3, Form};
use base::trace::{SpanIds, TraceParent};
use base::{Arm, RouteIx};

/// Flags of version 00 (with level 2): sampled, and "the trace id is random".
const KNOWN: u8 = 0b11;
const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// Who an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What upstreams get: the trace, and a span of ours.
    pub here: TraceParent,
    /// The span that caused this exchange; 0 when it starts a trace.
    pub parent_span: u64,
    /// The route whose exchange caused this one, when the span is one of ours.
    pub parent: RouteIx,
    /// Whether `tracestate` may travel on: it belongs to a valid `traceparent` only.
    pub keep_state: bool,
}

/// Who calls, and how he says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub span: Option<TraceParent>,
    /// By B3; `None`: by `traceparent`.
    pub b3: Option<Form>,
}

/// `traceparent` is the only one of the request: with none, several, or a bad one B3 counts, and without that a trace
/// starts here, as W3C Trace Context 3.2.2 and 4.3 ask.
pub fn caller<'a>(traceparent: Option<&[u8]>, b3: impl FnOnce() -> B3<'a>) -> Caller {
    if let Some(span) = traceparent.and_then(TraceParent::parse) {
        return Caller {
            span: Some(span),
            b3: None,
        };
    }
    b3().parse()
        .map_or(Caller::default(), |(span, form)| Caller {
            span: Some(span),
            b3: Some(form),
        })
}

/// Of traces that begin here, how many services are asked to record. The trace id draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(Option<u64>);

impl Share {
    pub fn of(share: f64) -> Share {
        Share((share > 0.0).then_some((share * u64::MAX as f64) as u64))
    }

    fn flag(self, trace: u128) -> u8 {
        match self.0 {
            Some(most) if trace as u64 <= most => SAMPLED,
            _ => 0,
        }
    }
}

/// `counter` must not repeat soon; `random` is drawn per exchange.
pub fn identify(
    caller: Caller,
    ids: &SpanIds,
    (route, arm): (RouteIx, Arm),
    (counter, random): (u32, u128),
    share: Share,
) -> Identity {
    let span = ids.give(route, arm, counter);
    match caller.span {
        Some(from) => Identity {
            here: TraceParent {
                trace: from.trace,
                span,
                flags: from.flags & KNOWN,
            },
            parent_span: from.span,
            parent: ids.origin_of(from.span).map_or(RouteIx::NONE, |o| o.0),
            keep_state: caller.b3.is_none(),
        },
        None => Identity {
            here: TraceParent {
                trace: random.max(1),
                span,
                flags: RANDOM | share.flag(random),
            },
            parent_span: 0,
            parent: RouteIx::NONE,
            keep_state: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Share = Share(None);

    #[test]
    fn a_share_of_the_traces_begun_here_is_recorded_and_a_callers_flag_is_kept() {
        let ids = SpanIds::new(1);
        let sampled = |caller, random: u128, share| {
            let id = identify(
                caller,
                &ids,
                (RouteIx(0), Arm::BASE),
                (1, random),
                Share::of(share),
            );
            id.here.flags & SAMPLED == SAMPLED
        };
        let draws = |i: u64| u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let of = |share| {
            (0..1000)
                .filter(|i| sampled(Caller::default(), draws(*i), share))
                .count()
        };
        assert_eq!((of(0.0), of(1.0)), (0, 1000));
        assert!((80..120).contains(&of(0.1)), "{}", of(0.1));
        let not = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        assert!(!sampled(w3c(not), 5, 1.0));
    }

    fn w3c(traceparent: &[u8]) -> Caller {
        caller(Some(traceparent), B3::default)
    }

    #[test]
    fn b3_counts_only_without_a_good_traceparent_and_has_no_state() {
        let b3 = || {
            let mut b3 = B3::default();
            b3.see(b"b3", b"64fe8b2a57d3eff7-e457b5a2e4d86bd1-1");
            b3
        };
        let v = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02";
        let both = caller(Some(v), b3);
        assert_eq!((both.b3, both.span.unwrap().flags), (None, RANDOM));
        for bad in [None, Some(&b"rubbish"[..])] {
            let by_b3 = caller(bad, b3);
            let got = identify(
                by_b3,
                &SpanIds::new(1),
                (RouteIx(0), Arm::BASE),
                (1, 5),
                NONE,
            );
            assert_eq!((got.here.trace, got.here.flags), (0x64fe8b2a57d3eff7, 1));
            assert!(!got.keep_state);
        }
    }

    #[test]
    fn a_call_of_an_upstream_knows_its_parent_route() {
        let ids = SpanIds::new(1);
        let outer = identify(
            Caller::default(),
            &ids,
            (RouteIx(3), Arm::BASE),
            (10, 99),
            NONE,
        );
        assert_eq!(
            (outer.parent_span, outer.here.trace, outer.keep_state),
            (0, 99, false)
        );
        let inner = identify(
            w3c(&outer.here.write()),
            &ids,
            (RouteIx(4), Arm::BASE),
            (11, 5),
            NONE,
        );
        assert_eq!(inner.here.trace, 99, "one trace");
        assert_eq!(
            (inner.parent, inner.parent_span),
            (RouteIx(3), outer.here.span)
        );
        assert_ne!(inner.here.span, outer.here.span);
        assert!(inner.keep_state);
    }

    #[test]
    fn a_foreign_parent_is_kept_and_unknown_flags_are_not() {
        let v = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff";
        let got = identify(
            w3c(v),
            &SpanIds::new(1),
            (RouteIx(0), Arm::BASE),
            (1, 5),
            NONE,
        );
        assert_eq!(got.here.trace, 0x4bf92f3577b34da6a3ce929d0e0e4736);
        assert_eq!((got.here.flags, got.parent), (3, RouteIx::NONE));
    }

    #[test]
    fn rubbish_starts_a_trace_of_its_own() {
        for bad in [&b""[..], b"00-0-0-0", &[0xff; 55]] {
            let got = identify(
                w3c(bad),
                &SpanIds::new(1),
                (RouteIx(0), Arm::BASE),
                (1, 0),
                NONE,
            );
            assert_eq!((got.here.trace, got.keep_state), (1, false));
        }
    }
}
