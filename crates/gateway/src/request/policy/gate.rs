//! The policy as a gate, for answers that come from an instance; the cache applies it to its own.

use super::Policy;
use crate::exchange::{Exchange, Outgoing};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use http1::Method;
use std::sync::Arc;

/// On routes with a `cache_control`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let policy = Policy::of(m.route)?;
    Some(Arc::new(PolicyGate { policy }))
}

struct PolicyGate {
    policy: Policy,
}

impl Gate for PolicyGate {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn enter(&self, _x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, _slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        let read = matches!(x.head.method(), Method::Get | Method::Head);
        if read && self.policy.applies(&x.head, out.head.status(), &out.head) {
            self.policy.edit(out.edits);
        }
    }
}
