//! One key of a quota as one node sees it. Pure: what the store holds and the time are passed in.
//!
//! The store has one number for each key and period: what was taken of it, by all nodes. A node takes a part ahead (a lease: a
//! hundredth of what is free, while that is more than the request needs) and uses it up without asking. What is admitted was
//! counted before, so all nodes together never admit more than the limit; what a node still holds is not there for others until
//! it is given back, and lost if the node dies.

use base::Nanos;
use std::time::Duration;
use store::Etag;

/// Of what is free, this part is taken at once.
const PART: u64 = 100;
/// Most that is taken at once, in requests.
const MOST: u64 = 1000;
/// After an answer that nothing is left, nobody asks again for so long: others may give back what they held.
pub const EMPTY: Duration = Duration::from_secs(1);

/// What one request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    Refuse,
    /// The store must be asked.
    Ask,
}

/// What the store holds of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub used: u64,
    /// `None`: nothing is there.
    pub etag: Option<Etag>,
}

#[derive(Clone, Debug, Default)]
pub struct Key {
    /// When its period began.
    from_ms: u64,
    /// Counted in the store, and not used yet.
    left: u64,
    /// Used without the store, and not counted there yet.
    alone: u64,
    /// As the store last answered.
    pub seen: Option<Seen>,
    /// Of that, what this node took.
    own: u64,
    empty_until: Nanos,
    last: Nanos,
}

/// The new count, and what of it is to be used here: 0, or at least `cost`. `alone` was used already, and is counted too.
pub fn claim(limit: u64, used: u64, alone: u64, cost: u64, single: bool) -> (u64, u64) {
    let count = used.saturating_add(alone);
    let free = limit.saturating_sub(count);
    if free < cost {
        return (count, 0);
    }
    let most = cost.saturating_mul(if single { 1 } else { MOST });
    let granted = (free / PART).clamp(cost, most);
    (count + granted, granted)
}

impl Key {
    /// Another period begins with nothing; what was left of the one before, or owed, is of no use.
    fn roll(&mut self, from_ms: u64) {
        if self.from_ms != from_ms {
            *self = Key {
                from_ms,
                last: self.last,
                ..Key::default()
            };
        }
    }

    pub fn decide(&mut self, from_ms: u64, cost: u64, now: Nanos) -> Verdict {
        self.roll(from_ms);
        self.last = self.last.max(now);
        if let Some(left) = self.left.checked_sub(cost) {
            self.left = left;
            return Verdict::Go;
        }
        match self.empty_until > now {
            true => Verdict::Refuse,
            false => Verdict::Ask,
        }
    }

    /// What must be counted beside what is taken.
    pub fn owed(&self) -> u64 {
        self.alone
    }

    /// The store has answered: so much was granted, and so much of what was owed is counted.
    pub fn taken(&mut self, from_ms: u64, seen: Seen, granted: u64, paid: u64, now: Nanos) {
        if self.from_ms != from_ms {
            return;
        }
        self.seen = Some(seen);
        self.left += granted;
        self.alone = self.alone.saturating_sub(paid);
        self.own = self.own.saturating_add(granted).saturating_add(paid);
        if granted == 0 {
            self.empty_until = now + EMPTY;
        }
    }

    /// What was taken for a request was not used.
    pub fn refund(&mut self, from_ms: u64, cost: u64) {
        if self.from_ms == from_ms {
            self.left = self.left.saturating_add(cost);
        }
    }

    /// Without the store: up to this node's share of what was free when it last answered, all of it where it never has; at
    /// least one request, where there was room for one.
    pub fn share(&mut self, limit: u64, cost: u64) -> bool {
        let most = match self.seen {
            None => limit,
            Some(seen) => {
                let free = limit.saturating_sub(seen.used);
                let share = self.own as f64 / seen.used.max(1) as f64;
                ((free as f64 * share.min(1.0)) as u64).max(cost).min(free)
            }
        };
        let fits = self.alone.saturating_add(cost) <= most;
        if fits {
            self.alone += cost;
        }
        fits
    }

    /// Without the store, whatever there is.
    pub fn pass(&mut self, cost: u64) {
        self.alone = self.alone.saturating_add(cost);
    }

    /// When its period began, what is given back, and what is to be counted; nothing of either is kept.
    pub fn settle(&mut self) -> (u64, u64, u64) {
        let (back, owed) = (
            std::mem::take(&mut self.left),
            std::mem::take(&mut self.alone),
        );
        (self.from_ms, back, owed)
    }

    /// What `settle` told has come to the store.
    pub fn settled(&mut self, from_ms: u64, back: u64, owed: u64, seen: Seen) {
        if self.from_ms == from_ms {
            self.own = self.own.saturating_add(owed).saturating_sub(back);
            self.seen = Some(seen);
        }
    }

    /// It has not.
    pub fn unsettled(&mut self, from_ms: u64, back: u64, owed: u64) {
        if self.from_ms == from_ms {
            self.left = self.left.saturating_add(back);
            self.alone = self.alone.saturating_add(owed);
        }
    }

    /// Nobody has asked for so long.
    pub fn is_idle(&self, now: Nanos, long: Duration) -> bool {
        now.since(self.last) >= long
    }

    /// Nothing is lost when it is forgotten.
    pub fn is_even(&self) -> bool {
        self.left == 0 && self.alone == 0
    }

    /// Units that would pass now, as far as this node knows.
    pub fn remaining(&self, limit: u64) -> u64 {
        let used = self.seen.map_or(0, |s| s.used);
        let free = limit.saturating_sub(used) + self.left;
        free.saturating_sub(self.alone)
    }
}
