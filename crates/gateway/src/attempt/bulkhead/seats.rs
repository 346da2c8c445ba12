//! What is in flight, route by route, for one service: shared by all threads, kept across generations. Work is in
//! thousandths of a permit, as in `limit`.

use super::core::{View, kept, part};
use crate::attempt::limit::core::PERMIT;
use base::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock, Weak};

/// Seconds of one window of peaks; lately means this one and the last.
const WINDOW_S: u64 = 5;

/// As much fits beside the window in one word.
const MOST: u64 = 0xffff_ffff;

/// One route's place.
#[derive(Debug, Default)]
pub struct Seat {
    weight: AtomicU32,
    in_flight: AtomicU64,
    /// The window (upper half) and the most in flight in it.
    now: AtomicU64,
    before: AtomicU64,
}

impl Seat {
    fn window(now: Nanos) -> u64 {
        now.0 / 1_000_000_000 / WINDOW_S + 1
    }

    pub fn begin(&self, cost: u64, now: Nanos) {
        let n = (self.in_flight.fetch_add(cost, Relaxed) + cost).min(MOST);
        let (window, word) = (Seat::window(now), self.now.load(Relaxed));
        if word >> 32 == window {
            self.now.fetch_max(window << 32 | n, Relaxed);
        } else if (self
            .now
            .compare_exchange(word, window << 32 | n, Relaxed, Relaxed))
        .is_ok()
        {
            self.before.store(word, Relaxed);
        }
    }

    pub fn end(&self, cost: u64) {
        self.in_flight.fetch_sub(cost, Relaxed);
    }

    /// In permits.
    fn flying(&self) -> f64 {
        self.in_flight.load(Relaxed) as f64 / PERMIT as f64
    }

    /// The most in flight lately, in permits; `None`: nothing was.
    fn peak(&self, now: Nanos) -> Option<f64> {
        let window = Seat::window(now);
        let recent = |w: &AtomicU64| {
            let word = w.load(Relaxed);
            (word >> 32 > 0 && word >> 32 >= window - 1)
                .then_some((word & MOST) as f64 / PERMIT as f64)
        };
        let peak = [recent(&self.now), recent(&self.before)]
            .into_iter()
            .flatten();
        let flying = self.flying();
        let peak = peak.chain((flying > 0.0).then_some(flying));
        peak.fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))))
    }
}

/// The routes of one service.
#[derive(Debug, Default)]
pub struct Seats(RwLock<Vec<Weak<Seat>>>);

impl Seats {
    /// Adds the seat of a route, and forgets those that no generation holds any more.
    pub fn join(&self, seat: &Arc<Seat>, weight: u32) {
        seat.weight.store(weight, Relaxed);
        let mut all = self.0.write().unwrap_or_else(|e| e.into_inner());
        all.retain(|s| s.strong_count() > 0 && !std::ptr::eq(s.as_ptr(), Arc::as_ptr(seat)));
        all.push(Arc::downgrade(seat));
    }

    /// The limit as one more attempt of this seat's route sees it; `limit` and `cost` in permits.
    pub fn view(&self, mine: &Arc<Seat>, limit: f64, cost: f64, now: Nanos) -> View {
        let all = self.0.read().unwrap_or_else(|e| e.into_inner());
        let weight = |s: &Seat| f64::from(s.weight.load(Relaxed));
        let mut view = View {
            limit,
            cost,
            mine: mine.flying(),
            all: mine.flying(),
            weight: weight(mine),
            weights: weight(mine),
            ..View::default()
        };
        let others = || {
            let seats = all.iter().filter_map(Weak::upgrade);
            let others = seats.filter(|s| !Arc::ptr_eq(s, mine));
            others.filter_map(|s| s.peak(now).map(|peak| (s, peak)))
        };
        for (seat, _) in others() {
            view.others = true;
            view.weights += weight(&seat);
            view.all += seat.flying();
        }
        for (seat, peak) in others() {
            let part = part(limit, weight(&seat), view.weights);
            view.kept += kept(part, peak, seat.flying());
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    #[test]
    fn what_was_used_lately_is_kept_and_forgotten_after_a_while() {
        let (seats, a, b) = (
            Seats::default(),
            Arc::new(Seat::default()),
            Arc::new(Seat::default()),
        );
        seats.join(&a, 1);
        seats.join(&b, 3);
        assert!(!seats.view(&a, 8.0, 1.0, s(1)).others);
        (0..3).for_each(|_| b.begin(PERMIT, s(1)));
        (0..2).for_each(|_| b.end(PERMIT));
        let v = seats.view(&a, 8.0, 1.0, s(2));
        assert_eq!((v.others, v.weights, v.all, v.kept), (true, 4.0, 1.0, 3.0));
        b.end(PERMIT);
        assert_eq!(seats.view(&a, 8.0, 1.0, s(7)).kept, 4.0);
        assert!(!seats.view(&a, 8.0, 1.0, s(20)).others);
        drop(b);
        seats.join(&a, 1);
        assert_eq!(seats.0.read().unwrap().len(), 1);
    }
}
