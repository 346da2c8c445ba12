//! The state of one service's limit, shared by all threads: an atomic account, and a queue that is only touched when full.
//!
//! A permit is a value: whatever ends its holder, dropping it gives the work back and wakes who waits.

use super::core::{self, Limit};
use super::latency::{Laps, Net};
use super::queue::{Queue, TIERS, tier};
use crate::share::Share;
use base::Nanos;
use base::learned::CONFIDENT;
use config::sections::Criticality;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Lives on across reloads; the learned limit is set on it.
#[derive(Debug, Default)]
pub struct Limiter {
    in_flight: AtomicU64,
    /// Permits, permits' worth that may wait, and confidence, as bits; written by one thread, rarely; torn values are a
    /// decision of one request.
    learned: [AtomicU64; 3],
    /// Lengths of `queue`, sixteen bits each, to see from outside the lock that nobody waits.
    waiting: AtomicU64,
    queue: Mutex<Queue<Waiter>>,
    /// The part of the permits that what can be shed may fill.
    lent: Share,
    /// What latency says, for as long as nothing is learned with confidence.
    net: Net,
    waited: AtomicU64,
    refused: AtomicU64,
    would_refuse: AtomicU64,
}

#[derive(Debug)]
struct Waiter {
    ask: Ask,
    hand: oneshot::Sender<Permit>,
}

/// What asks for a permit.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// In thousandths of a permit.
    pub cost: u64,
    /// Comes with each request, because the two arms of a canary may differ in it.
    pub configured: Option<u32>,
    pub criticality: Criticality,
}

/// Work in flight. Dropping it ends it.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Limiter>,
    cost: u64,
    /// Let through only because the limit does not act.
    pub over: bool,
    /// When its holder began.
    pub since: Nanos,
}

/// The answer to a request for a permit.
#[derive(Debug)]
pub enum Acquire {
    Now(Permit),
    /// A permit comes; an error: the place went to somebody newer, or who matters more. Dropping the receiver gives up the place.
    Later(oneshot::Receiver<Permit>),
    /// As many wait as may.
    Full,
}

/// What a limit has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Thousandths of permits.
    pub in_flight: u64,
    pub waiting: usize,
    pub waited: u64,
    pub refused: u64,
    /// Let through only because the learned limit does not act yet.
    pub would_refuse: u64,
    /// The same of the limit by latency; thousandths of permits of that, 0: not known.
    pub latency_would_refuse: u64,
    pub latency_limit: u64,
}

impl Limiter {
    /// Permits, how many may wait for one in a burst, and how sure that is from 0 to 1. Acts from 0.9 on; below, it counts
    /// what it would have done.
    pub fn set_learned(self: &Arc<Self>, permits: f64, waiting: f64, confidence: f64) {
        for (to, value) in self.learned.iter().zip([permits, waiting, confidence]) {
            to.store(value.to_bits(), Relaxed);
        }
        self.pass_on();
    }

    fn learned(&self, which: usize) -> f64 {
        f64::from_bits(self.learned[which].load(Relaxed))
    }

    /// What acts for a request whose generation has this limit configured.
    pub fn limit(&self, configured: Option<u32>) -> Limit {
        match self.capacity(configured) {
            Limit::Enforce(limit) => Limit::Enforce(limit),
            unsure => self.net.enforced().map_or(unsure, Limit::Enforce),
        }
    }

    /// The same by configuration and model, which say what the service can hold. Latency says only what was too much.
    fn capacity(&self, configured: Option<u32>) -> Limit {
        let (value, confidence) = (self.learned(0), self.learned(2));
        core::limit(configured, (value > 0.0).then_some((value, confidence)))
    }

    /// Whether what answers take is of use: nothing better is known.
    fn listens(&self, configured: Option<u32>) -> bool {
        configured.is_none() && self.learned(2) < CONFIDENT
    }

    /// A route to the service, and whether its limit by latency does more than count; `None`: as before.
    pub fn join(&self, laps: &Arc<Laps>, acts: Option<bool>) {
        self.net.join(laps, acts);
    }

    /// How an attempt that still holds its permit has ended.
    pub fn see(self: &Arc<Self>, permit: &Permit, laps: &Laps, lap: Lapped, now: Nanos) {
        let took = match lap {
            Lapped::Answer(took) => took,
            Lapped::Left(waited) if waited > laps.usual() => waited,
            Lapped::Left(_) => return,
        };
        // One by one, what costs nothing finds nothing.
        if permit.cost > 0 && self.net.see(laps, took, self.in_flight.load(Relaxed), now) {
            self.pass_on();
        }
    }

    /// The same for one request: what can be shed leaves some of the permits free.
    fn limit_for(&self, ask: &Ask) -> Limit {
        match self.limit(ask.configured) {
            Limit::Enforce(n) if ask.criticality == Criticality::Sheddable => {
                Limit::Enforce(core::lent(n, self.lent.get()))
            }
            limit => limit,
        }
    }

    pub fn acquire(self: &Arc<Self>, ask: Ask, now: Nanos) -> Acquire {
        let cost = ask.cost;
        if cost == 0 {
            return Acquire::Now(self.permit(0));
        }
        if ask.criticality == Criticality::Sheddable {
            self.lent.now(now, core::lend);
        }
        let limit = match self.limit_for(&ask) {
            Limit::None => return Acquire::Now(self.pass(cost, None)),
            Limit::Observe(limit) => return Acquire::Now(self.pass(cost, Some(limit))),
            Limit::Enforce(limit) => limit,
        };
        // Who comes does not overtake those who wait: the queue knows who is next.
        if self.waiting.load(SeqCst) == 0 && self.try_take(cost, limit) {
            return Acquire::Now(self.permit(cost));
        }
        let (hand, receiver) = oneshot::channel();
        let mut queue = self.queue.lock().unwrap_or_else(|e| e.into_inner());
        let most = self.places(ask.configured, limit);
        if queue.total() >= most.standing {
            // Places of clients that have left are free.
            queue.retain(|w| !w.hand.is_closed());
        }
        let taken = queue.push(tier(ask.criticality), Waiter { ask, hand }, most, now);
        self.show(&queue);
        drop(queue);
        if !taken {
            self.refused.fetch_add(1, Relaxed);
            return Acquire::Full;
        }
        self.waited.fetch_add(1, Relaxed);
        // A permit may have come back since it was looked for, before anyone was seen waiting.
        self.pass_on();
        Acquire::Later(receiver)
    }

    /// Lets through what no limit holds back, and counts what `learned` and the limit by latency would have refused.
    fn pass(self: &Arc<Self>, cost: u64, learned: Option<u64>) -> Permit {
        let before = self.in_flight.fetch_add(cost, SeqCst);
        let mut permit = self.permit(cost);
        if learned.is_some_and(|limit| !core::fits(before, cost, limit)) {
            self.would_refuse.fetch_add(1, Relaxed);
            permit.over = true;
        }
        permit.over |= self.net.is_over(before, cost);
        permit
    }

    /// A wait is over, with a permit or without.
    pub fn count_wait(&self, criticality: Criticality, waited: Duration) {
        if criticality != Criticality::Sheddable {
            self.lent.count(core::is_late(waited));
        }
    }

    /// How many wait, those who matter most first.
    pub fn waiting(&self) -> [usize; TIERS] {
        let all = self.waiting.load(Relaxed);
        std::array::from_fn(|i| (all >> (16 * i) & 0xffff) as usize)
    }

    fn show(&self, queue: &Queue<Waiter>) {
        let pack = |all, (i, n): (usize, usize)| all | (n.min(0xffff) as u64) << (16 * i);
        let all = queue.lengths().into_iter().enumerate().fold(0, pack);
        self.waiting.store(all, SeqCst);
    }

    /// Whether a request with this limit would stand in a queue.
    pub fn is_full(&self, configured: Option<u32>) -> bool {
        self.waiting.load(Relaxed) > 0 && matches!(self.limit(configured), Limit::Enforce(_))
    }

    /// What is in flight over what may be, as far as that is known.
    pub fn load(&self, configured: Option<u32>) -> Option<f64> {
        match self.capacity(configured) {
            Limit::None => None,
            Limit::Observe(limit) | Limit::Enforce(limit) => {
                Some(self.in_flight() as f64 / limit as f64)
            }
        }
    }

    /// How many may wait where this limit acts.
    pub fn places(&self, configured: Option<u32>, limit: u64) -> core::Places {
        core::places(limit, configured.is_none().then(|| self.learned(1)))
    }

    /// Call when a waiter's time is over.
    pub fn count_refusal(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Thousandths of permits.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub fn counts(&self) -> Counts {
        Counts {
            in_flight: self.in_flight.load(Relaxed),
            waiting: self.waiting().iter().sum(),
            waited: self.waited.load(Relaxed),
            refused: self.refused.load(Relaxed),
            would_refuse: self.would_refuse.load(Relaxed),
            latency_would_refuse: self.net.would_refuse(),
            latency_limit: self.net.limit().unwrap_or(0),
        }
    }

    fn permit(self: &Arc<Self>, cost: u64) -> Permit {
        Permit {
            of: self.clone(),
            cost,
            over: false,
            since: Nanos::ZERO,
        }
    }

    fn try_take(&self, cost: u64, limit: u64) -> bool {
        self.in_flight
            .fetch_update(SeqCst, SeqCst, |n| {
                core::fits(n, cost, limit).then_some(n + cost)
            })
            .is_ok()
    }

    /// Gives what is free to those who wait.
    fn pass_on(self: &Arc<Self>) {
        while self.waiting.load(SeqCst) > 0 {
            let mut queue = self.queue.lock().unwrap_or_else(|e| e.into_inner());
            queue.retain(|w| !w.hand.is_closed());
            self.show(&queue);
            let Some(first) = queue.next() else { return };
            let cost = first.ask.cost;
            let free = match self.limit_for(&first.ask) {
                Limit::Enforce(limit) => self.try_take(cost, limit),
                _ => self.try_take(cost, u64::MAX),
            };
            if !free {
                return;
            }
            let waiter = queue.pop();
            self.show(&queue);
            drop(queue);
            let permit = self.permit(cost);
            if let Some(waiter) = waiter
                && let Err(unwanted) = waiter.hand.send(permit)
            {
                // The client left meanwhile: the next one is looked at by this loop, not by a deeper call.
                unwanted.put_back();
            }
        }
    }
}

/// How long an attempt took.
#[derive(Clone, Copy, Debug)]
pub enum Lapped {
    /// Until the first byte, or until its time was over.
    Answer(Duration),
    /// Until its client left: it would have taken longer.
    Left(Duration),
}

impl Permit {
    /// What its holder's end may be told of, where that is of use.
    pub fn limiter(&self, configured: Option<u32>) -> Option<&Arc<Limiter>> {
        self.of.listens(configured).then_some(&self.of)
    }

    /// Ends the work without waking anyone.
    fn put_back(mut self) {
        self.of.in_flight.fetch_sub(self.cost, SeqCst);
        self.cost = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.cost == 0 {
            return;
        }
        self.of.in_flight.fetch_sub(self.cost, SeqCst);
        self.of.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::limit::core::PERMIT;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicUsize;

    const NOW: Nanos = Nanos(1);

    fn limiter() -> Arc<Limiter> {
        Arc::new(Limiter::default())
    }

    fn ask(cost: u64, configured: Option<u32>) -> Ask {
        Ask {
            cost,
            configured,
            criticality: Criticality::Normal,
        }
    }

    proptest! {
        #[test]
        fn nothing_leaks_whatever_order_things_end_in(
            permits in 1u32..5,
            steps in prop::collection::vec((0u8..4, 1u64..3000, 0usize..50), 1..300),
        ) {
            let l = limiter();
            let (mut held, mut waiting) = (Vec::new(), Vec::new());
            for (what, cost, which) in steps {
                match what {
                    0 | 1 => match l.acquire(ask(cost, Some(permits)), NOW) {
                        Acquire::Now(p) => held.push(p),
                        Acquire::Later(w) => waiting.push(w),
                        Acquire::Full => {}
                    },
                    2 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                    3 if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                    _ => {}
                }
                waiting.retain_mut(|w| match w.try_recv() {
                    Ok(p) => { held.push(p); false }
                    Err(_) => true,
                });
                let sum: u64 = held.iter().map(|p: &Permit| p.cost).sum();
                prop_assert_eq!(l.counts().in_flight, sum);
                prop_assert!(sum <= permits as u64 * PERMIT || held.len() == 1);
            }
            held.clear();
            while let Some(mut w) = waiting.pop() {
                drop(w.try_recv());
            }
            prop_assert_eq!(l.counts().in_flight, 0);
        }
    }

    #[test]
    fn who_waits_is_served_in_order_and_those_who_left_are_skipped() {
        let l = limiter();
        let Acquire::Now(first) = l.acquire(ask(PERMIT, Some(1)), NOW) else {
            panic!()
        };
        let later = || match l.acquire(ask(PERMIT, Some(1)), NOW) {
            Acquire::Later(w) => w,
            other => panic!("{other:?}"),
        };
        let (gone, mut second, mut third) = (later(), later(), later());
        drop(gone);
        drop(first);
        let permit = second.try_recv().expect("the first who still waits");
        assert!(third.try_recv().is_err());
        drop(permit);
        assert!(third.try_recv().is_ok());
        assert_eq!(
            l.counts(),
            Counts {
                waited: 3,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn in_a_standing_queue_the_newest_is_served_and_the_oldest_gives_way() {
        let l = limiter();
        let at = |ms: u64| Nanos(ms * 1_000_000);
        let Acquire::Now(held) = l.acquire(ask(PERMIT, Some(1)), at(0)) else {
            panic!()
        };
        let wait = |ms| match l.acquire(ask(PERMIT, Some(1)), at(ms)) {
            Acquire::Later(w) => w,
            other => panic!("{other:?}"),
        };
        let mut all: Vec<_> = (0..17).map(|i| wait(i * 10)).collect();
        let lost = |w: &mut oneshot::Receiver<Permit>| {
            matches!(w.try_recv(), Err(oneshot::error::TryRecvError::Closed))
        };
        assert!(
            lost(&mut all[0]),
            "sixteen may wait, and it has for longest"
        );
        drop(held);
        let mut newest = all.pop().unwrap();
        let permit = newest.try_recv().expect("served first");
        drop(all);
        drop(permit);
        let Acquire::Now(held) = l.acquire(ask(PERMIT, Some(1)), at(500)) else {
            panic!("nobody waits any more")
        };
        let (mut first, _second) = (wait(501), wait(502));
        drop(held);
        assert!(first.try_recv().is_ok(), "a burst is served in its order");
    }

    #[test]
    fn the_queue_is_bounded_and_a_raised_limit_serves_it() {
        let l = limiter();
        l.set_learned(1.0, 0.0, 1.0);
        let _held = l.acquire(ask(PERMIT, None), NOW);
        let mut waiting: Vec<_> = (0..16).map(|_| l.acquire(ask(PERMIT, None), NOW)).collect();
        assert!(matches!(l.acquire(ask(PERMIT, None), NOW), Acquire::Full));
        assert_eq!((l.counts().waiting, l.counts().refused), (16, 1));
        l.set_learned(0.0, 0.0, 0.0);
        let served = |a: &mut Acquire| match a {
            Acquire::Later(w) => w.try_recv().is_ok(),
            _ => false,
        };
        assert_eq!(waiting.iter_mut().map(served).filter(|s| *s).count(), 16);
    }

    #[test]
    fn free_work_never_waits_behind_dear_work() {
        let l = limiter();
        l.set_learned(2.0, 0.0, 1.0);
        let held = [
            l.acquire(ask(2 * PERMIT, None), NOW),
            l.acquire(ask(PERMIT, None), NOW),
        ];
        assert!(matches!(held[1], Acquire::Later(_)));
        assert!(matches!(l.acquire(ask(0, None), NOW), Acquire::Now(_)));
    }

    #[test]
    fn a_learned_limit_only_counts_until_it_is_sure() {
        let l = Arc::new(Limiter::default());
        l.set_learned(2.0, 0.0, 0.5);
        let held: Vec<_> = (0..5).map(|_| l.acquire(ask(PERMIT, None), NOW)).collect();
        assert!(held.iter().all(|a| matches!(a, Acquire::Now(_))));
        assert_eq!((l.counts().would_refuse, l.counts().refused), (3, 0));
        l.set_learned(2.0, 0.0, 0.95);
        assert!(matches!(
            l.acquire(ask(PERMIT, None), NOW),
            Acquire::Later(_)
        ));
        drop(held);
        assert_eq!(l.counts().in_flight, 0);
    }

    #[test]
    fn threads_never_hold_more_than_the_limit() {
        let (l, now, peak) = (limiter(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for _ in 0..6 {
                s.spawn(|| {
                    for _ in 0..500 {
                        let permit = match l.acquire(ask(PERMIT, Some(3)), NOW) {
                            Acquire::Now(p) => p,
                            Acquire::Later(w) => w.blocking_recv().expect("the limiter lives"),
                            Acquire::Full => continue,
                        };
                        peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        now.fetch_sub(1, SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!(peak.into_inner() <= 3);
        assert_eq!((l.counts().in_flight, l.counts().waiting), (0, 0));
    }
}
