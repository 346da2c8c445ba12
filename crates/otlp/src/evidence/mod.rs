//! What spans tell of the gateway's routes: times of databases, locks and connections, the critical path, calls that are
//! made again and again, and calls one after another.
//!
//! `join` ties the spans of one trace to the attempts of the gateway, `path` and `calls` read one attempt, and
//! [`Evidence`] adds them up and puts them into windows.

mod attempt;
mod calls;
mod fade;
mod fill;
mod join;
mod path;
mod told;

use crate::span::Span;
use attempt::Attempt;
use base::trace::SpanIds;
use base::{Arm, RouteIx};
use fade::Fading;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use told::Note;

/// Routes and arms that are kept; of more, the later ones are not known by spans.
const ROUTES: usize = 1024;

/// What was not of use, and why, counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans received, and of those the ones tied to a request of the gateway.
    pub spans: u64,
    pub joined: u64,
    /// Spans that no chain of parents ties to a request of the gateway.
    pub orphans: u64,
    /// Sent twice.
    pub repeated: u64,
    /// They came after their trace was taken to be whole.
    pub late: u64,
    /// Rejected: ids that are none, or too many in one request.
    pub rejected: u64,
    /// Traces with too many spans.
    pub cut: u64,
    /// Attempts left out because a clock jumped in them.
    pub jumps: u64,
    /// Attempts of routes beyond the bound.
    pub routes_over: u64,
    /// Uses of resources beyond the bounds.
    pub uses_over: u64,
}

/// Which database probes look into, so that their kinds are not told twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    pub postgres: bool,
    pub redis: bool,
}

/// Adds attempts up, by route and arm.
pub struct Evidence {
    ids: Arc<SpanIds>,
    routes: BTreeMap<(RouteIx, Arm), Fading>,
    rule: fill::Rule,
    pub counts: Counts,
}

impl Evidence {
    /// `ids` knows the span ids that the gateway gives out.
    pub fn new(ids: Arc<SpanIds>) -> Evidence {
        Evidence {
            ids,
            routes: BTreeMap::new(),
            rule: fill::Rule::default(),
            counts: Counts::default(),
        }
    }

    /// Takes one whole trace.
    pub fn trace(&mut self, spans: &[Span]) {
        for attempt in join::attempts(spans, &self.ids, &mut self.counts) {
            let key = (attempt.route, attempt.arm);
            let full = self.routes.len() >= ROUTES;
            self.counts.uses_over += match self.routes.get_mut(&key) {
                Some(route) => route.add(attempt),
                None if full => {
                    self.counts.routes_over += 1;
                    0
                }
                None => self.routes.entry(key).or_default().add(attempt),
            }
        }
    }
}

#[cfg(test)]
mod tests;
