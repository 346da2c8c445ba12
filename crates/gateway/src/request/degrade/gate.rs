//! The ladder as a gate, outermost of those whose refusals it can soften.

use super::core::{Rung, Stored, dim, rung};
use crate::exchange::{Exchange, Failed, Outgoing, Reply};
use crate::gate::{Gate, Making, Needs, Slot, Step};
use crate::request::cache::{Entry, Said, Shelf};
use crate::share::Share;
use crate::tally::Tally;
use base::Nanos;
use bytes::Bytes;
use config::sections::{Consistency, Degrade as Rules};
use http1::Method;
use std::sync::Arc;
use std::time::Duration;

/// In the order of the rungs.
const NAMES: &[&str] = &[
    "fresh",
    "stale_if_error",
    "last_good",
    "static",
    "refused",
    "brownout",
];
const BROWNOUT: usize = 5;

/// On routes with a `degrade`, and on those with a cache for what answers say of themselves (RFC 5861).
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let undeclared = || m.route.cache.as_ref().map(|_| Rules::default());
    let rules = m.route.degrade.clone().or_else(undeclared)?;
    let name = format!("brownout {} {}", m.route.name, m.arm.0);
    let brownout = |late| (late, m.kept.get(&name, Share::default));
    Some(Arc::new(DegradeGate {
        brownout: rules.brownout.map(brownout),
        body: rules.fixed.as_ref().map(|f| Bytes::from(f.body.clone())),
        rules,
        // What is stored may be older than the route promises.
        shelf: Shelf::of(m)
            .filter(|_| !matches!(m.route.consistency, Some(Consistency::Bounded(_)))),
        declared: m.route.degrade.is_some(),
        route: m.route.name.as_str().into(),
        tally: Tally::of(m.kept, "degrade", &m.route.name, NAMES),
    }))
}

struct DegradeGate {
    rules: Rules,
    /// Of the static answer.
    body: Option<Bytes>,
    brownout: Option<(Duration, Arc<Share>)>,
    shelf: Option<Shelf>,
    /// Else a failure that nothing stored stands in for stays as it is.
    declared: bool,
    route: Box<str>,
    tally: Arc<Tally>,
}

impl DegradeGate {
    fn stored(&self, x: &Exchange<'_>, now: Nanos) -> Option<(Arc<Entry>, Stored)> {
        let entry = self.shelf.as_ref()?.last(&x.head)?;
        let stored = Stored {
            past: entry.past(now),
            own: entry.keep.stale_if_error,
            never_stale: entry.keep.never_stale,
        };
        Some((entry, stored))
    }

    /// The answer of a rung; `None`: the failure stands, because it says all there is to say.
    fn reply(
        &self,
        rung: Rung,
        entry: Option<&Entry>,
        x: &Exchange<'_>,
        failed: Failed<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let reply = match (rung, entry, &self.rules.fixed, &self.body) {
            (Rung::Fresh | Rung::StaleIfError | Rung::LastGood, Some(entry), ..) => {
                let (shelf, said) = (self.shelf.as_ref()?, Said::Instead(rung.name()));
                shelf.answer(entry, &x.head, x.head.method() == Method::Get, now, said)
            }
            (Rung::Static, _, Some(fixed), Some(body)) => Reply::new(fixed.status, body.clone())
                .with("Content-Type", fixed.content_type.clone()),
            _ if !self.declared => return None,
            // A refusal of Plimsoll's own says already when to come back.
            _ if failed.status == 503 && !failed.reason.is_empty() => return None,
            _ => {
                let wait = self.rules.retry_after.as_secs().max(1);
                let detail = format!("route {} fails; try again in {wait} s", self.route);
                Reply::problem(503, "degraded", &detail).with("Retry-After", wait.to_string())
            }
        };
        let why = match failed.reason {
            "" => format!("status-{}", failed.status),
            reason => reason.to_owned(),
        };
        Some(reply.with(
            "plimsoll-degraded",
            format!("{}; because={why}", rung.name()),
        ))
    }
}

/// What can be answered from elsewhere.
fn is_read(x: &Exchange<'_>) -> bool {
    matches!(x.head.method(), Method::Get | Method::Head)
        && !x.head.is_upgrade()
        && !x.head.has_body()
        && !x.is_refresh
}

impl Gate for DegradeGate {
    fn name(&self) -> &'static str {
        "degrade"
    }

    fn needs(&self) -> Needs {
        Needs {
            failures: true,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, now: Nanos) -> Step {
        if let Some((_, full)) = &self.brownout {
            let full = full.now(now, dim);
            if x.chance() >= full {
                self.tally.note(x, BROWNOUT);
                x.edits.set("plimsoll-brownout", b"1");
            }
        }
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, _out: &mut Outgoing<'_>, now: Nanos) {
        // A failure that goes out after all was counted as one.
        if let (Some((late, full)), Slot::Empty) = (&self.brownout, slot) {
            full.count(now.since(x.start) > *late);
        }
    }

    /// Once per exchange: a rung that fails is the last word.
    fn failed(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        failed: Failed<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        if !matches!(slot, Slot::Empty) {
            return None;
        }
        *slot = Slot::Number(1);
        if let Some((_, full)) = &self.brownout {
            full.count(true);
        }
        if !is_read(x) || !matches!(failed.status, 500 | 502..=504) {
            return None;
        }
        let stored = self.stored(x, now);
        let rung = rung(&self.rules, stored.as_ref().map(|s| s.1));
        let entry = stored.as_ref().map(|s| &*s.0);
        let reply = self.reply(rung, entry, x, failed, now)?;
        self.tally.note(x, rung as usize);
        Some(reply)
    }
}
