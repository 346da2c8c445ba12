//! Hedging as the path uses it: one per route and arm, part of its hinge.

use super::core::{State, Why, decide};
use super::pace::Paces;
use crate::attempt::limit::Limiter;
use crate::gate::Making;
use crate::retry::Budget;
use crate::tally::Tally;
use base::{Nanos, RouteIx};
use config::sections::{After, Hedge, Retry};
use http1::Method;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of second attempts.
const NAMES: &[&str] = &["sent", "won", "failed", "capped", "full", "refused"];
pub const SENT: usize = 0;
pub const WON: usize = 1;
pub const FAILED: usize = 2;
const CAPPED: usize = 3;
const FULL: usize = 4;
pub const REFUSED: usize = 5;

/// A shorter delay doubles the load of every stall.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub struct Hedging {
    rules: Hedge,
    /// Whether requests change something, where the route says so.
    writes: Option<bool>,
    route: RouteIx,
    retry: Retry,
    budget: Arc<Budget>,
    limiter: Arc<Limiter>,
    limit: Option<u32>,
    pub tally: Arc<Tally>,
}

impl Hedging {
    /// On routes with a `hedge`, where there is another instance that takes connections of everybody.
    pub fn make(m: &Making<'_>, budget: &Arc<Budget>) -> Option<Hedging> {
        let rules = m.route.hedge.clone()?;
        let possible = m.service.instances.len() > 1 && !m.service.config.proxy_protocol;
        possible.then(|| Hedging {
            rules,
            writes: m.route.writes,
            route: m.ix,
            retry: m.route.retry.clone(),
            budget: budget.clone(),
            limiter: m.kept.get(&m.service.name, Limiter::default),
            limit: m.service.config.limit,
            tally: Tally::of(m.kept, "hedge", &m.route.name, NAMES),
        })
    }

    /// Whether a request of this method may be done twice at once: what changes nothing. What may only be done again, such as a
    /// PUT, is not: the attempt that lost may be done after the client's next request. Nor is what carries a key: the second would be
    /// told that the first is under way.
    pub fn takes(&self, method: Method) -> bool {
        self.writes.map_or(method.is_safe(), |writes| !writes)
    }

    /// Call for each request that may be hedged: it pays for the cap. How long its first attempt may take; `None`: not
    /// known yet.
    pub fn begin(&self, paces: &Paces, now: Nanos) -> Option<Duration> {
        paces.with(self.route, |pace| {
            pace.cap.earn(self.rules.extra);
            match self.rules.after {
                After::Time(after) => Some(after),
                After::Percentile(share) => {
                    let after = pace.latency.percentile(share, now)?;
                    Some(after.max(SHORTEST))
                }
            }
        })
    }

    /// How long a first attempt took to answer, or had taken when it lost.
    pub fn learn(&self, paces: &Paces, took: Duration, now: Nanos) {
        if let After::Percentile(_) = self.rules.after {
            paces.with(self.route, |pace| pace.latency.add(took, now));
        }
    }

    /// Whether the second attempt starts.
    pub fn start(&self, paces: &Paces, deadline: Option<Nanos>, now: Nanos) -> bool {
        let state = State {
            queueing: self.limiter.is_full(self.limit),
            load: self.limiter.load(self.limit),
            retries: (self.budget).has(self.retry.budget, self.retry.floor_per_s, now),
            deadline,
        };
        let decided = paces.with(self.route, |pace| decide(&state, &mut pace.cap, now));
        match decided {
            Ok(()) => return true,
            Err(Why::Capped) => self.tally.add(CAPPED),
            Err(Why::Full) => self.tally.add(FULL),
            Err(Why::Late) => {}
        }
        false
    }
}
