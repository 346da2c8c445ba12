//! One key of a shared limit as one node sees it. Pure: the engine's answers and the time are passed in.
//!
//! A key that is asked for often has leases: parts of the limit that were taken from the engine ahead of the requests, by a
//! turn in the background. One is good for two turns, counted from when it was asked for; what is left of it then is given
//! back. A key that is asked for less than once a turn has none: each of its requests asks the engine, and waits.
//!
//! What is admitted was handed out by the engine before, so in any span `t` all nodes together admit at most
//! `burst + rate * t` and what was leased at its beginning, which is no more than `rate * 2 TURN` and a burst.

use base::Nanos;
use std::time::Duration;
use store::{Quota, Taken};

/// Between two times at which the demand of a key is summed up.
pub const TURN: Duration = Duration::from_millis(50);
/// The background looks twice a turn.
pub const LOOK: Duration = Duration::from_millis(25);
/// What a lease is good for.
pub const LIFE: Duration = Duration::from_millis(100);
/// Requests per turn from which on a key has leases.
const HOT: f64 = 1.0;

/// What one request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    Refuse(Duration),
    /// Ask the engine for this request alone.
    Ask,
}

/// What the background does for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Thousandths to give back.
    pub back: u64,
    /// Thousandths to ask for; 0: none.
    pub want: u64,
    /// With less, nothing is of use.
    pub least: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    /// Thousandths.
    left: u64,
    until: Nanos,
}

/// When less was leased than is asked for, it is spread over a turn.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Between two thousandths, nanoseconds.
    spacing: u64,
    next: Nanos,
}

impl Pace {
    /// How long to wait, if at all.
    fn hold(&mut self, cost: u64, now: Nanos) -> Option<Duration> {
        let ahead = self.next.since(now);
        // A few may come together.
        if self.next > now && ahead > LOOK / 2 {
            return Some(ahead - LOOK / 2);
        }
        let step = self.spacing.saturating_mul(cost);
        self.next = self.next.max(now) + Duration::from_nanos(step);
        None
    }
}

#[derive(Clone, Debug, Default)]
pub struct Key {
    leases: [Lease; 2],
    pace: Option<Pace>,
    /// The engine has nothing before this.
    empty_until: Nanos,
    /// No request asks the engine before this.
    closed_until: Nanos,
    /// When the present turn began, and what came in it: thousandths, and requests.
    turn: Nanos,
    seen: (u64, u32),
    /// Of a turn, smoothed.
    demand: f64,
    requests: f64,
    asking: bool,
    /// Thousandths that others may have, and that were used beyond what was taken.
    back: u64,
    debt: u64,
    /// What the engine had left when it last answered, thousandths.
    left: u64,
}

impl Key {
    /// One request of so many thousandths.
    pub fn decide(&mut self, cost: u64, now: Nanos) -> Verdict {
        self.roll(now);
        self.seen = (
            self.seen.0.saturating_add(cost),
            self.seen.1.saturating_add(1),
        );
        if self.live(now) < cost {
            return match self.closed_until > now {
                true => Verdict::Refuse(self.closed_until.since(now)),
                false => Verdict::Ask,
            };
        }
        if let Some(wait) = self.pace.as_mut().and_then(|p| p.hold(cost, now)) {
            return Verdict::Refuse(wait);
        }
        self.spend(cost, now);
        Verdict::Go
    }

    /// The engine's answer to one request that asked: whether it passes, else how long to wait.
    pub fn one(&mut self, cost: u64, taken: &Taken, now: Nanos) -> Result<(), Duration> {
        self.left = taken.left;
        if taken.granted >= cost {
            return Ok(());
        }
        // Dearer than a burst: a whole burst is what it costs.
        if taken.granted > 0 {
            return Ok(());
        }
        self.close(taken.retry, now);
        Err(taken.retry)
    }

    /// What is to be done now. It expects an answer to what it wants, or `unanswered`.
    pub fn look(&mut self, quota: &Quota, now: Nanos) -> Plan {
        self.roll(now);
        for lease in self.leases.iter_mut().filter(|l| l.until <= now) {
            self.back += std::mem::take(&mut lease.left);
        }
        let mut plan = Plan {
            back: std::mem::take(&mut self.back),
            ..Plan::default()
        };
        let has_room = self.leases.iter().any(|l| l.left == 0);
        if self.is_hot() && has_room && !self.asking && self.empty_until <= now {
            let most = quota.burst as u64 * store::counter::UNIT;
            let need = self.demand.max(self.seen.0 as f64).ceil() as u64;
            let want = need.saturating_add(self.debt).min(most);
            let live = self.live(now);
            if live * 2 < want {
                self.asking = true;
                plan.want = want - live;
                plan.least = ((self.demand / self.requests.max(1.0)) as u64).clamp(1, plan.want);
            }
        }
        plan
    }

    /// The engine's answer to a plan.
    pub fn answered(&mut self, plan: &Plan, taken: &Taken, asked: Nanos, now: Nanos) {
        self.asking = false;
        self.left = taken.left;
        if taken.granted == 0 {
            self.pace = None;
            return self.close(taken.retry, now);
        }
        let paid = self.debt.min(taken.granted);
        self.debt -= paid;
        let lease = Lease {
            left: taken.granted - paid,
            until: asked + LIFE,
        };
        match self.leases.iter_mut().find(|l| l.left == 0) {
            Some(place) => *place = lease,
            None => self.back += lease.left,
        }
        let is_scarce = taken.granted < plan.want;
        self.pace = is_scarce.then(|| Pace {
            spacing: TURN.as_nanos() as u64 / taken.granted,
            next: now,
        });
        if is_scarce {
            // The next lease comes before that: until then what is there is all.
            self.closed_until = now + TURN;
        }
    }

    /// No answer came to a plan.
    pub fn unanswered(&mut self) {
        self.asking = false;
    }

    /// What was used after all, less what was taken for it.
    pub fn settle(&mut self, more: i64, now: Nanos) {
        let amount = more.unsigned_abs();
        if more > 0 {
            self.debt = self.debt.saturating_add(amount);
            return;
        }
        let live = self.leases.iter_mut().find(|l| l.left > 0 && l.until > now);
        match live {
            Some(lease) => lease.left += amount,
            None => self.back += amount,
        }
    }

    /// Nothing is lost when it is forgotten.
    pub fn is_idle(&self, now: Nanos) -> bool {
        let has_none = self.leases.iter().all(|l| l.left == 0);
        let is_quiet = self.requests < 0.01 && self.seen.1 == 0;
        let owes = self.back > 0 || self.debt > 0 || self.asking;
        has_none && is_quiet && !owes && self.closed_until <= now
    }

    /// Thousandths that are leased, used up to now or not.
    pub fn leased(&self) -> u64 {
        self.leases.iter().map(|l| l.left).sum::<u64>() + self.back
    }

    /// Thousandths that would pass now, as far as this node knows.
    pub fn remaining(&self, now: Nanos) -> u64 {
        self.live(now) + self.left
    }

    fn is_hot(&self) -> bool {
        self.requests >= HOT || self.seen.1 as f64 > HOT
    }

    fn live(&self, now: Nanos) -> u64 {
        let live = self.leases.iter().filter(|l| l.until > now);
        live.map(|l| l.left).sum()
    }

    /// The older lease first.
    fn spend(&mut self, cost: u64, now: Nanos) {
        let mut due = cost;
        self.leases.sort_by_key(|l| l.until);
        for lease in self.leases.iter_mut().filter(|l| l.until > now) {
            let part = due.min(lease.left);
            lease.left -= part;
            due -= part;
        }
    }

    /// Empty: nobody asks before there may be something. Where leases are on their way, requests wait for them.
    fn close(&mut self, retry: Duration, now: Nanos) {
        self.empty_until = now + retry;
        let patience = if self.is_hot() {
            retry.max(LOOK)
        } else {
            retry
        };
        self.closed_until = now + patience;
    }

    /// Sums up the turns that have ended.
    fn roll(&mut self, now: Nanos) {
        let turns = (now.since(self.turn).as_nanos() / TURN.as_nanos()) as u64;
        if turns == 0 {
            return;
        }
        let (seen, requests) = std::mem::take(&mut self.seen);
        // Half of what is known is the last turn; quiet ones count as nothing.
        let quiet = 0.5f64.powi((turns - 1).min(64) as i32);
        self.demand = (self.demand + seen as f64) / 2.0 * quiet;
        self.requests = (self.requests + requests as f64) / 2.0 * quiet;
        self.turn = self.turn + Duration::from_nanos(turns.saturating_mul(TURN.as_nanos() as u64));
    }
}
