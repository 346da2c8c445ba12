//! The safety net of one service where no limit is learned with confidence: what its answers take, gathered by all threads
//! without a lock, and the limit that follows. One thread closes each window.

use super::core::{PERMIT, fits};
use super::gradient::{Gradient, Lap};
use base::Nanos;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A window lasts at least so long, and as long as two answers take.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// A window of fewer answers says nothing.
const FEWEST: u64 = 20;

/// What the answers of one route have taken in this window; lives on across generations.
#[derive(Debug, Default)]
pub struct Laps {
    count: AtomicU64,
    took_ns: AtomicU64,
    /// Usual seconds of one, as bits.
    usual: AtomicU64,
}

impl Laps {
    /// The time that one answer usually takes; zero: not known.
    pub fn usual(&self) -> Duration {
        let usual = f64::from_bits(self.usual.load(Relaxed));
        Duration::try_from_secs_f64(usual).unwrap_or_default()
    }

    fn take(&self) -> Lap {
        Lap {
            count: self.count.swap(0, Relaxed),
            took: self.took_ns.swap(0, Relaxed) as f64 / 1e9,
            usual: f64::from_bits(self.usual.load(Relaxed)),
        }
    }
}

#[derive(Debug, Default)]
pub struct Net {
    /// Thousandths of permits; 0: not known.
    limit: AtomicU64,
    acts: AtomicBool,
    /// When this window is over, nanoseconds.
    until: AtomicU64,
    /// Sum of what answers have found in flight, and how many they were.
    found: AtomicU64,
    count: AtomicU64,
    would_refuse: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gradient: Gradient,
    began: Nanos,
    /// Of the routes to the service: as many as are configured.
    routes: Vec<Weak<Laps>>,
}

impl Net {
    /// A route to the service, and whether its configuration says that the limit acts; `None`: as before.
    pub fn join(&self, laps: &Arc<Laps>, acts: Option<bool>) {
        if let Some(acts) = acts {
            self.acts.store(acts, Relaxed);
        }
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let new = Arc::downgrade(laps);
        state.routes.retain(|r| r.strong_count() > 0);
        if !state.routes.iter().any(|r| r.ptr_eq(&new)) {
            state.routes.push(new);
        }
    }

    /// Thousandths of permits; `None`: not known.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|n| *n > 0)
    }

    /// The same where it acts.
    pub fn enforced(&self) -> Option<u64> {
        self.limit().filter(|_| self.acts.load(Relaxed))
    }

    /// Whether work of `cost` beside what is in flight is more than would be let in. Counted.
    pub fn is_over(&self, in_flight: u64, cost: u64) -> bool {
        let over = self.limit().is_some_and(|l| !fits(in_flight, cost, l));
        if over {
            self.would_refuse.fetch_add(1, Relaxed);
        }
        over
    }

    pub fn would_refuse(&self) -> u64 {
        self.would_refuse.load(Relaxed)
    }

    /// One answer: how long it took, and what it found in flight (thousandths of permits, its own among them). True: there
    /// is another limit now.
    pub fn see(&self, laps: &Laps, took: Duration, in_flight: u64, now: Nanos) -> bool {
        laps.count.fetch_add(1, Relaxed);
        (laps.took_ns).fetch_add(
            took.as_nanos().min(u128::from(u64::MAX >> 20)) as u64,
            Relaxed,
        );
        self.found.fetch_add(in_flight, Relaxed);
        self.count.fetch_add(1, Relaxed);
        now.0 >= self.until.load(Relaxed) && self.close(now)
    }

    /// Closes the window, unless another thread does.
    fn close(&self, now: Nanos) -> bool {
        let Ok(mut state) = self.state.try_lock() else {
            return false;
        };
        if now.0 < self.until.load(Relaxed) {
            return false;
        }
        let (count, span) = (self.count.load(Relaxed), now.since(state.began));
        if count < FEWEST && span < LONGEST {
            self.until.store((now + SHORTEST).0, Relaxed);
            return false;
        }
        let (found, _) = (self.found.swap(0, Relaxed), self.count.swap(0, Relaxed));
        let routes: Vec<_> = state.routes.iter().filter_map(Weak::upgrade).collect();
        let mut laps: Vec<Lap> = routes.iter().map(|r| r.take()).collect();
        // The first window, and one after a pause, have begun at no known time.
        let whole = span < LONGEST + LONGEST && count >= FEWEST;
        if whole {
            let in_flight = found as f64 / count as f64 / PERMIT as f64;
            let acts = self.acts.load(Relaxed);
            state.gradient.step(&mut laps, in_flight, span, acts);
            for (route, lap) in routes.iter().zip(&laps) {
                route.usual.store(lap.usual.to_bits(), Relaxed);
            }
        }
        let took: f64 = laps.iter().map(|l| l.took).sum();
        let mean = Duration::try_from_secs_f64(2.0 * took / count as f64).unwrap_or(SHORTEST);
        state.began = now;
        self.until
            .store((now + mean.clamp(SHORTEST, LONGEST)).0, Relaxed);
        let limit = state.gradient.limit().unwrap_or(0.0) * PERMIT as f64;
        let limit = limit as u64;
        self.limit.swap(limit, Relaxed) != limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fast(net: &Net, laps: &Laps, seconds: u64, from: u64) {
        for i in 0..seconds * 100 {
            let now = Nanos((from * 100 + i) * 10_000_000);
            net.see(laps, Duration::from_millis(20), 2 * PERMIT, now);
        }
    }

    #[test]
    fn a_limit_after_a_few_seconds_acts_only_where_it_is_told_to() {
        let (net, laps) = (Net::default(), Arc::new(Laps::default()));
        net.join(&laps, None);
        fast(&net, &laps, 2, 1);
        assert_eq!(net.limit(), None);
        assert!(!net.is_over(1 << 40, PERMIT));
        fast(&net, &laps, 10, 3);
        let limit = net
            .limit()
            .expect("eight windows of half a second have passed");
        assert!((10 * PERMIT..30 * PERMIT).contains(&limit), "{limit}");
        assert_eq!(net.enforced(), None);
        assert!(net.is_over(limit, PERMIT) && !net.is_over(limit - PERMIT, PERMIT));
        assert_eq!(net.would_refuse(), 1);
        net.join(&laps, Some(true));
        assert_eq!(net.enforced(), Some(limit));
        assert_eq!(laps.usual(), Duration::from_millis(20));
    }

    #[test]
    fn a_trickle_says_nothing_and_routes_that_are_gone_are_forgotten() {
        let (net, laps) = (Net::default(), Arc::new(Laps::default()));
        net.join(&laps, Some(true));
        net.join(&laps, Some(true));
        for s in 1..2000 {
            net.see(
                &laps,
                Duration::from_millis(20),
                PERMIT,
                Nanos(s * 1_000_000_000),
            );
        }
        assert_eq!(net.limit(), None);
        assert_eq!(net.state.lock().unwrap().routes.len(), 1);
        drop(laps);
        net.join(&Arc::new(Laps::default()), None);
        assert_eq!(net.state.lock().unwrap().routes.len(), 1);
    }
}
