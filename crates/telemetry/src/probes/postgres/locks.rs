//! Locks that connections wait for: how many wait, and for how long somebody holds them. Pure.

use super::second::{Doing, FADE};
use super::sql::{self, Backend};
use super::worker::Look;
use std::collections::BTreeMap;

/// Locks remembered.
const LOCKS: usize = 16;
/// One for which nobody has waited for this long is forgotten, seconds.
pub const FORGET_S: f64 = 600.0;
/// Fewer looks do not tell whether it is held by one at a time.
const LOOKS: f64 = 20.0;
/// Of the looks that find a table held, those that find more than one holder: beyond this share they hold different rows,
/// and how long one row is held is not seen.
const CROWDED: f64 = 0.05;

/// One lock in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waited {
    /// Mean number of waiters.
    pub waiting: f64,
    /// Share of the second for which it was held; `None`: only its waiters are seen.
    pub held: Option<f64>,
    /// It was looked at for long enough to say which of the two it is, and it is the same as before.
    pub known: bool,
}

/// What is remembered, in looks that fade.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    last: f64,
    looks: f64,
    held: f64,
    crowded: f64,
    /// When it was last known for how long it is held.
    told: Option<f64>,
}

#[derive(Default)]
pub struct Locks {
    seen: BTreeMap<String, Seen>,
}

impl Look {
    /// For a lock. Of more than are looked at, whoever was in the state.
    pub fn waits(&self, b: &Backend) -> bool {
        let all = self.blocked.len() < sql::WAITERS as usize;
        self.blocked.iter().any(|l| l.pid == b.pid) || !all && b.doing() == Some(Doing::Lock)
    }

    /// What a connection waits for; empty: for nothing that others hold.
    pub fn awaited(&self, b: &Backend) -> &str {
        // Who waits and who holds is of one moment, and the states are of one a little earlier.
        match self.blocked.iter().find(|l| l.pid == b.pid) {
            Some(l) => &l.on,
            None if self.waits(b) => "other",
            None if b.doing() == Some(Doing::Latch) => "internal",
            None => "",
        }
    }

    fn holders(&self, on: &str) -> usize {
        self.holders.iter().filter(|h| h.on == on).count()
    }
}

impl Locks {
    /// `at`: seconds.
    pub fn second(&mut self, looks: &[Look], at: f64) -> BTreeMap<String, Waited> {
        let n = looks.len().max(1) as f64;
        let mut all: BTreeMap<String, Waited> = BTreeMap::new();
        for look in looks {
            for on in look.backends.iter().map(|b| look.awaited(b)) {
                if !on.is_empty() {
                    all.entry(on.to_owned()).or_default().waiting += 1.0 / n;
                }
            }
        }
        for lock in all.keys() {
            if self.seen.len() < LOCKS || self.seen.contains_key(lock) {
                self.seen.entry(lock.clone()).or_default().last = at;
            }
        }
        self.seen.retain(|_, s| at - s.last < FORGET_S);
        let of = |(lock, s): (&String, &mut Seen)| {
            let held = s.look(lock, looks);
            if s.alone() {
                s.told = Some(at);
            }
            // Of a lock that has been told of so lately, a second without is no second of no use.
            let lately = s.told.is_some_and(|told| at - told < FORGET_S);
            let waited = Waited {
                waiting: all.get(lock).map_or(0.0, |w| w.waiting),
                held: s.alone().then_some(held / n),
                known: s.looks >= LOOKS && (s.alone() || !lately),
            };
            (lock.clone(), waited)
        };
        self.seen.iter_mut().map(of).collect()
    }
}

impl Seen {
    /// In how many looks it is held.
    fn look(&mut self, lock: &str, looks: &[Look]) -> f64 {
        let counts: Vec<usize> = looks.iter().map(|l| l.holders(lock)).collect();
        let among = |least: usize| counts.iter().filter(|n| **n >= least).count() as f64;
        self.looks = self.looks * FADE + counts.len() as f64;
        self.held = self.held * FADE + among(1);
        self.crowded = self.crowded * FADE + among(2);
        among(1)
    }

    fn alone(&self) -> bool {
        self.looks >= LOOKS && self.held > 0.0 && self.crowded <= CROWDED * self.held
    }
}

#[cfg(test)]
mod tests {
    use super::super::sql::{Blocked, Holder};
    use super::*;

    fn backend(pid: i32, state: &str, wait: &str) -> Backend {
        Backend {
            pid,
            state: state.into(),
            wait_type: wait.into(),
            ..Backend::default()
        }
    }

    /// One waits for a row of `stock`; `holders` have rows of it.
    fn look(waits: bool, holders: &[i32]) -> Look {
        let on = || "stock".to_owned();
        let mut look = Look::default();
        for &pid in holders {
            look.backends
                .push(backend(pid, "idle in transaction", "Client"));
            look.holders.push(Holder { pid, on: on() });
        }
        if waits {
            look.backends.push(backend(9, "active", "Lock"));
            let by = holders.to_vec();
            look.blocked.push(Blocked {
                pid: 9,
                on: on(),
                by,
            });
        }
        look
    }

    /// Ten looks a second for five seconds; what the last one was.
    fn last(second: &[Look]) -> Waited {
        let mut locks = Locks::default();
        let all: Vec<_> = (0..5)
            .map(|t| locks.second(second, f64::from(t))["stock"])
            .collect();
        assert!(!all[0].known && all[0].held.is_none());
        assert!(all[4].known);
        all[4]
    }

    #[test]
    fn one_row_is_held_by_one_at_a_time() {
        let mut second = vec![look(false, &[]); 6];
        second.extend([
            look(false, &[1]),
            look(false, &[2]),
            look(true, &[1]),
            look(false, &[3]),
        ]);
        let w = last(&second);
        assert!((w.waiting - 0.1).abs() < 1e-9);
        assert!((w.held.unwrap() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn holders_of_different_rows_tell_nothing_of_one() {
        let mut second = vec![look(false, &[1, 2]); 9];
        second.push(look(true, &[1]));
        assert_eq!(last(&second).held, None);
        let advisory = vec![look(true, &[]); 10];
        assert_eq!(last(&advisory).held, None, "nobody is seen to hold it");
    }

    #[test]
    fn a_lock_that_was_told_of_is_left_out_while_several_hold_it() {
        let mut locks = Locks::default();
        let mut second = |look: Look, at: f64| locks.second(&vec![look; 10], at)["stock"];
        for t in 0..5 {
            second(look(true, &[1]), f64::from(t));
        }
        let crowded = second(look(true, &[1, 2]), 5.0);
        assert!(crowded.held.is_none() && !crowded.known);
        // After long enough it is one of which only the waiters are seen.
        assert!(second(look(true, &[1, 2]), 5.0 + FORGET_S).known);
    }

    #[test]
    fn who_waits_is_of_the_moment_of_who_holds() {
        let mut look = look(true, &[1]);
        // Seen waiting, and granted before the locks were looked at.
        look.backends.push(backend(8, "active", "Lock"));
        assert_eq!(look.awaited(&look.backends[2]), "");
        assert_eq!(look.awaited(&look.backends[1]), "stock");
    }
}
