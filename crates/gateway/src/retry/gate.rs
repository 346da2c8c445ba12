//! The hinge as the path uses it: one per route and arm, between the request ring and the attempt ring.

use super::budget::Budget;
use super::core::{self, Failure, Go};
use super::hedge::Hedging;
use crate::attempt::limit::Limiter;
use crate::exchange::Exchange;
use crate::gate::Making;
use base::Nanos;
use config::sections::{Replay, Retry};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a `Retry-After` asks for, from now on.
pub fn asked(retry_after: &[u8]) -> Duration {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    core::retry_after(retry_after, unix.map_or(0, |d| d.as_secs()))
}

/// The retries of a route. The budget is kept under the route's name.
#[derive(Debug)]
pub struct Hinge {
    policy: Retry,
    budget: Arc<Budget>,
    limiter: Arc<Limiter>,
    limit: Option<u32>,
    /// A key means that the service does it once. Not where it is the gateway that sees to that.
    keys_allow: bool,
    /// `None`: nothing is hedged.
    pub hedging: Option<Hedging>,
}

impl Hinge {
    pub fn make(m: &Making<'_>) -> Hinge {
        let budget = m.kept.get(&m.route.name, Budget::default);
        Hinge {
            policy: m.route.retry.clone(),
            hedging: Hedging::make(m, &budget),
            budget,
            limiter: m.kept.get(&m.service.name, Limiter::default),
            limit: m.service.config.limit,
            keys_allow: (m.route.idempotency.as_ref()).is_none_or(|i| i.replay == Replay::Safe),
        }
    }

    /// Call before the first attempt of every exchange: it pays for retries.
    pub fn first(&self, now: Nanos) {
        self.budget.earn(now);
    }

    /// Call after an attempt failed and before anything of it was passed to the client. `replayable`: there was no
    /// body, or all that was taken of it is still held. `asked`: the response's `Retry-After`.
    pub fn after(
        &self,
        x: &mut Exchange<'_>,
        failure: Failure,
        asked: Option<Duration>,
        replayable: bool,
        now: Nanos,
    ) -> Go {
        if x.job.is_some() && !matches!(failure, Failure::Stale | Failure::Unread) {
            x.note("retry", core::Why::Queued.label());
            return Go::Stop(core::Why::Queued);
        }
        let random = x.random();
        let request = core::Request {
            method: std::str::from_utf8(x.head.method_name()).unwrap_or(""),
            idempotency_key: self.keys_allow && x.head.kind(http1::Kind::IdempotencyKey).is_some(),
            replayable: replayable && !x.head.is_upgrade(),
            attempt: x.attempt,
            deadline: x.deadline,
            full: self.limiter.is_full(self.limit),
        };
        let go = core::decide(
            &self.policy,
            &request,
            failure,
            asked,
            &self.budget,
            now,
            random,
        );
        let what = match go {
            Go::Retry(_) => "again",
            Go::Stop(why) => why.label(),
        };
        x.note("retry", what);
        go
    }

    /// Requests and retries of the last ten seconds.
    pub fn counts(&self, now: Nanos) -> (u64, u64) {
        self.budget.counts(now)
    }
}
