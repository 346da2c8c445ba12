//! Gives every exchange its identity and passes it on to the instance.

use super::core::identify;
use crate::exchange::{Exchange, Head};
use crate::gate::{Gate, Kept, Making, Slot, Step};
use base::trace::{SpanIds, TraceParent};
use base::{Arm, Nanos};
use http1::Kind;
use std::hash::BuildHasher;
use std::sync::Arc;

/// On every route.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    Some(Arc::new(Trace { ids: spans(m.kept) }))
}

/// The span ids of this process.
pub fn spans(kept: &Kept) -> Arc<SpanIds> {
    // The key only has to be unknown outside; a hasher's seed is.
    kept.get("spans", || {
        SpanIds::new(std::hash::RandomState::new().hash_one(0u8))
    })
}

struct Trace {
    ids: Arc<SpanIds>,
}

impl Gate for Trace {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        let random = (x.random() as u128) << 64 | x.random() as u128;
        let counter = x.random() as u32;
        let caller = x.head.only(Kind::TraceParent);
        let id = identify(caller, &self.ids, (x.route, x.arm), counter, random);
        x.parent = id.parent;
        x.trace = id.here.trace;
        x.trace_flags = id.here.flags;
        x.edits.set("traceparent", &id.here.write());
        if !id.keep_state && x.head.kind(Kind::TraceState).is_some() {
            x.edits.drop("tracestate");
        }
        Step::Go
    }
}

/// The arm of the request that an instance was serving when it made this call.
pub fn arm_of_caller(ids: &SpanIds, head: &Head<'_>) -> Option<Arm> {
    let caller = head.only(Kind::TraceParent).and_then(TraceParent::parse)?;
    ids.origin_of(caller.span).map(|(_, arm)| arm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, edits};
    use base::RouteIx;

    #[test]
    fn the_instance_gets_our_span_and_state_only_with_its_trace() {
        let b = Bench::default();
        let gate = make(&b.making()).unwrap();
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut run = b.run(
            &*gate,
            "GET",
            "/",
            &[("traceparent", value), ("tracestate", "a=b")],
        );
        assert!(matches!(run.step, Step::Go));
        let sent = edits(&run.facts.edits);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].starts_with("set traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_eq!(run.facts.trace, 0x4bf92f3577b34da6a3ce929d0e0e4736);

        // What the instance calls while it serves this request is known as its child.
        let ours = sent[0].strip_prefix("set traceparent: ").unwrap();
        run = b.run(&*gate, "GET", "/", &[("traceparent", ours)]);
        assert_eq!(run.facts.parent, b.ix);

        run = b.run(
            &*gate,
            "GET",
            "/",
            &[
                ("traceparent", value),
                ("traceparent", value),
                ("tracestate", "a=b"),
            ],
        );
        assert_ne!(
            run.facts.trace, 0x4bf92f3577b34da6a3ce929d0e0e4736,
            "two of them are none"
        );
        assert_eq!(edits(&run.facts.edits)[1], "drop tracestate: ");
        assert_eq!(run.facts.parent, RouteIx::NONE);
    }
}
