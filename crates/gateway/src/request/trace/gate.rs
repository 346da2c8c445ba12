//! Gives every exchange its identity and passes it on to the instance.

use super::b3::{B3, Form};
use super::core::{Caller, Share, caller, identify};
use crate::exchange::{Exchange, Head};
use crate::gate::{Gate, Kept, Making, Slot, Step};
use base::trace::{SpanIds, TraceParent};
use base::{Arm, Nanos};
use http1::Kind;
use std::hash::BuildHasher;
use std::sync::Arc;

/// On every route.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    Some(Arc::new(Trace {
        ids: spans(m.kept),
        share: Share::of(m.traced),
    }))
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
    share: Share,
}

impl Gate for Trace {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        let random = (x.random() as u128) << 64 | x.random() as u128;
        let counter = x.random() as u32;
        let caller = caller_of(&x.head);
        let id = identify(
            caller,
            &self.ids,
            (x.route, x.arm),
            (counter, random),
            self.share,
        );
        x.parent = id.parent;
        x.trace = id.here.trace;
        x.trace_flags = id.here.flags;
        (x.span, x.caller) = (id.here.span, id.parent_span);
        x.edits.set("traceparent", &id.here.write());
        if !id.keep_state && x.head.kind(Kind::TraceState).is_some() {
            x.edits.drop("tracestate");
        }
        if let Some(form) = caller.b3 {
            pass_b3(x, form, &id.here, id.parent_span);
        }
        Step::Go
    }
}

fn caller_of(head: &Head<'_>) -> Caller {
    caller(head.only(Kind::TraceParent), || {
        let mut b3 = B3::default();
        if head.kind(Kind::B3).is_some() {
            head.each(|name, value| b3.see(name, value));
        }
        b3
    })
}

/// An instance that knows only B3 is our child too.
fn pass_b3(x: &mut Exchange<'_>, form: Form, here: &TraceParent, parent: u64) {
    match form {
        Form::Single => {
            let (trace, span, sampled) = (here.trace, here.span, here.flags & 1);
            let value = format!("{trace:032x}-{span:016x}-{sampled}-{parent:016x}");
            x.edits.set("b3", value.as_bytes());
        }
        Form::Multiple => {
            let [span, parent] = [here.span, parent].map(|id| format!("{id:016x}"));
            x.edits.set("X-B3-SpanId", span.as_bytes());
            x.edits.set("X-B3-ParentSpanId", parent.as_bytes());
        }
    }
}

/// The arm of the request that an instance was serving when it made this call.
pub fn arm_of_caller(ids: &SpanIds, head: &Head<'_>) -> Option<Arm> {
    let span = caller_of(head).span?.span;
    ids.origin_of(span).map(|(_, arm)| arm)
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
        assert_eq!(run.facts.caller, 0x00f0_67aa_0ba9_02b7);
        assert!(sent[0].contains(&format!("-{:016x}-", run.facts.span)));

        let b3 = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";
        let by_b3 = b.run(&*gate, "GET", "/", &[("b3", b3)]);
        let passed = edits(&by_b3.facts.edits);
        assert!(passed[0].starts_with("set traceparent: 00-80f198ee56343ba864fe8b2a57d3eff7-"));
        let ours = passed[1].strip_prefix("set b3: ").unwrap();
        assert!(ours.ends_with("-1-e457b5a2e4d86bd1"), "{ours}");
        let again = b.run(&*gate, "GET", "/", &[("b3", ours)]);
        assert_eq!(again.facts.parent, b.ix, "known by B3 too");

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
