//! Requests under way for which others wait, shared by all threads.
//!
//! To lead is a value: however its holder ends, dropping it makes the next of those who wait the leader, so nobody waits
//! for one who is gone. The locks are held for a look or an insertion, never while anybody is told anything.

use super::core::{LEADERS, Solitary};
use base::Nanos;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// Most who wait for one leader; those beyond ask for themselves.
const FOLLOWERS: usize = 16 * 1024;
const SHARDS: usize = 16;

#[derive(Debug, Default)]
pub struct Flights {
    /// As many as there are requests under way, at most.
    shards: [Mutex<HashMap<u64, Flight, foldhash::fast::RandomState>>; SHARDS],
    solitary: Solitary,
    seed: foldhash::quality::RandomState,
}

#[derive(Debug, Default)]
struct Flight {
    waiting: Vec<Sender<Told>>,
    /// Leaders that have failed.
    failures: u8,
}

/// What those who wait are told.
#[derive(Debug)]
pub enum Told {
    Stored,
    Alone,
    Failed,
    Lead(Lead),
}

/// What a request becomes.
#[derive(Debug)]
pub enum Role {
    Lead(Lead),
    Follow(Receiver<Told>),
    Alone,
}

/// The right, and the duty, to end a flight.
#[derive(Debug)]
pub struct Lead {
    flights: Arc<Flights>,
    key: u64,
    /// When its holder set out.
    pub since: Nanos,
    ended: bool,
}

impl Flights {
    pub fn key(&self, parts: &[&[u8]]) -> u64 {
        let mut h = self.seed.build_hasher();
        for part in parts {
            h.write(part);
            h.write_u8(0);
        }
        h.finish()
    }

    /// `may_lead`: the answer to this one could be stored for the others.
    pub fn join(self: &Arc<Self>, key: u64, may_lead: bool, now: Nanos) -> Role {
        if self.solitary.knows(key, now) {
            return Role::Alone;
        }
        match self.shard(key).entry(key) {
            Entry::Vacant(_) if !may_lead => Role::Alone,
            Entry::Vacant(place) => {
                place.insert(Flight::default());
                Role::Lead(self.lead(key, now))
            }
            Entry::Occupied(flight) => {
                let waiting = &mut flight.into_mut().waiting;
                if waiting.len() >= FOLLOWERS {
                    return Role::Alone;
                }
                let (tell, told) = oneshot::channel();
                waiting.push(tell);
                Role::Follow(told)
            }
        }
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        let of = |s: &Mutex<HashMap<u64, Flight, _>>| {
            let shard = s.lock().unwrap_or_else(|e| e.into_inner());
            shard.values().map(|f| f.waiting.len()).sum::<usize>()
        };
        self.shards.iter().map(of).sum()
    }

    fn lead(self: &Arc<Self>, key: u64, since: Nanos) -> Lead {
        Lead {
            flights: self.clone(),
            key,
            since,
            ended: false,
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, Flight, foldhash::fast::RandomState>> {
        let shard = &self.shards[(key >> 56) as usize % SHARDS];
        shard.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The flight is over, and everyone is told.
    fn land(&self, key: u64, tell: impl Fn() -> Told) {
        let flight = self.shard(key).remove(&key);
        for waiting in flight.into_iter().flat_map(|f| f.waiting) {
            let _ = waiting.send(tell());
        }
    }

    /// Somebody who still waits leads from now on; with nobody left the flight is over.
    fn hand_over(self: &Arc<Self>, key: u64) {
        loop {
            let next = match self.shard(key).entry(key) {
                Entry::Vacant(_) => return,
                Entry::Occupied(mut flight) => match flight.get_mut().waiting.pop() {
                    Some(next) => next,
                    None => {
                        flight.remove();
                        return;
                    }
                },
            };
            match next.send(Told::Lead(self.lead(key, Nanos::ZERO))) {
                Ok(()) => return,
                // Gone meanwhile: the next one is asked by this loop, not by a deeper call.
                Err(Told::Lead(mut unwanted)) => unwanted.ended = true,
                Err(_) => {}
            }
        }
    }
}

impl Lead {
    /// The cache holds the answer.
    pub fn stored(mut self) {
        self.ended = true;
        self.flights.land(self.key, || Told::Stored);
    }

    /// The answer is for this request alone.
    pub fn alone(mut self) {
        self.ended = true;
        self.flights.land(self.key, || Told::Alone);
    }

    /// So will the next ones be: the key is not waited for again for a while.
    pub fn solitary(self, now: Nanos) {
        self.flights.solitary.remember(self.key, now);
        self.alone();
    }

    /// The instance failed: another one tries, and when that fails too, all do.
    pub fn failed(mut self) {
        self.ended = true;
        let failures = match self.flights.shard(self.key).get_mut(&self.key) {
            Some(flight) => {
                flight.failures += 1;
                flight.failures
            }
            None => return,
        };
        match failures >= LEADERS {
            true => self.flights.land(self.key, || Told::Failed),
            false => self.flights.hand_over(self.key),
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.ended {
            self.flights.hand_over(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(1);

    fn lead(flights: &Arc<Flights>) -> Lead {
        match flights.join(5, true, NOW) {
            Role::Lead(lead) => lead,
            other => panic!("{other:?}"),
        }
    }

    fn follow(flights: &Arc<Flights>) -> Receiver<Told> {
        match flights.join(5, true, NOW) {
            Role::Follow(told) => told,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_leads_and_all_are_told() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights);
        let mut all: Vec<_> = (0..100).map(|_| follow(&flights)).collect();
        assert_eq!(flights.waiting(), 100);
        leader.stored();
        assert!(
            all.iter_mut()
                .all(|f| matches!(f.try_recv(), Ok(Told::Stored)))
        );
        assert_eq!(flights.waiting(), 0);
        assert!(matches!(flights.join(5, false, NOW), Role::Alone));
        let leader = lead(&flights);
        assert!(matches!(flights.join(5, false, NOW), Role::Follow(_)));
        leader.alone();
        lead(&flights).solitary(NOW);
        assert!(matches!(flights.join(5, true, NOW), Role::Alone));
    }

    #[test]
    fn who_goes_hands_over_to_one_who_is_there() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights);
        let (mut stays, gone) = (follow(&flights), follow(&flights));
        drop(gone);
        drop(leader);
        let Ok(Told::Lead(second)) = stays.try_recv() else {
            panic!("leads now")
        };
        let mut third = follow(&flights);
        second.stored();
        assert!(matches!(third.try_recv(), Ok(Told::Stored)));
        // Told to lead, and gone before hearing it.
        let leader = lead(&flights);
        let (mut stays, deaf) = (follow(&flights), follow(&flights));
        drop(leader);
        drop(deaf);
        assert!(matches!(stays.try_recv(), Ok(Told::Lead(_))));
        drop(stays);
        drop(lead(&flights));
    }

    #[test]
    fn the_second_failure_in_a_row_is_everybodys() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights);
        let (mut a, mut b) = (follow(&flights), follow(&flights));
        leader.failed();
        let Ok(Told::Lead(second)) = b.try_recv() else {
            panic!("tries again")
        };
        assert!(a.try_recv().is_err(), "waits on");
        second.failed();
        assert!(matches!(a.try_recv(), Ok(Told::Failed)));
        lead(&flights).failed();
        assert_eq!(flights.waiting(), 0);
        drop(lead(&flights));
    }

    #[test]
    fn threads_in_any_order_leave_nobody_waiting() {
        let flights = Arc::new(Flights::default());
        std::thread::scope(|s| {
            for t in 0..4u64 {
                let flights = flights.clone();
                s.spawn(move || {
                    for i in 0..2000u64 {
                        match flights.join(i % 3, true, NOW) {
                            Role::Lead(lead) if (i + t) % 5 == 0 => drop(lead),
                            Role::Lead(lead) if (i + t) % 7 == 0 => lead.failed(),
                            Role::Lead(lead) => lead.stored(),
                            Role::Follow(told) if i % 2 == 0 => drop(told),
                            Role::Follow(told) => match told.blocking_recv() {
                                Ok(Told::Lead(lead)) => lead.stored(),
                                Ok(_) => {}
                                Err(_) => panic!("forgotten"),
                            },
                            Role::Alone => unreachable!("nothing was solitary"),
                        }
                    }
                });
            }
        });
        assert_eq!(flights.waiting(), 0);
    }
}
