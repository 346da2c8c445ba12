//! A limit from latency alone, for as long as nothing better is known: what was in flight while answers came as fast as
//! they usually do may be in flight again. Pure: windows of measurements in, a limit out.
//!
//! Of the family of Netflix's Gradient2 (`limit · clamp(tolerance · usual / now, ½, 1) + √limit`) and Envoy's adaptive
//! concurrency. Other than those it compares each route with itself, so that a mix that turns heavy is not taken for
//! load; it shrinks from what was in flight (by Little's law that is throughput · usual time) and not from the limit alone,
//! so that it is right while it only counts; and it looks for the usual time anew only while it refuses anyway.

use std::time::Duration;

/// Answers that take so many times their usual time are no sign of load.
const TOLERANCE: f64 = 1.5;
/// The part of the way to a smaller limit that one window goes.
const SMOOTH: f64 = 0.4;
/// Never fewer permits than these: with so few, their number is not what makes a service slow.
const LEAST: f64 = 4.0;
/// Never more: nobody holds so many.
const MOST: f64 = 1e6;
/// The first limit is at least this.
const FIRST: f64 = 20.0;
/// Windows before the first limit.
const WARM: u32 = 8;
/// So many answers of a route in a window say all that they can; fewer move its usual time less.
const SURE: f64 = 50.0;
/// Of a faster window the usual time takes this part: it stays near the fast ones.
const FASTER: f64 = 0.3;
/// Of a slower one it takes what is left after this time: long where the limit is in use, because that may be load.
const SLOWER: Duration = Duration::from_secs(15);
const SLOWER_IN_USE: Duration = Duration::from_secs(300);
/// After so long in which nothing but a smaller limit was found, half of it for a window tells whether the service has
/// become slower or is full.
const DIP_AFTER: Duration = Duration::from_secs(30);

/// What one route has measured in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lap {
    pub count: u64,
    /// Sum of the times of `count` answers, seconds.
    pub took: f64,
    /// Usual time of one, seconds; 0: not known. Kept for the next window.
    pub usual: f64,
}

impl Lap {
    fn mean(&self) -> f64 {
        self.took / self.count as f64
    }

    fn learn(&mut self, part: f64, toward: f64) {
        if self.usual <= 0.0 {
            self.usual = self.mean();
            return;
        }
        let sure = (self.count as f64 / SURE).min(1.0);
        self.usual += (toward - self.usual) * (part * sure).clamp(0.0, 1.0);
    }
}

/// Whether the usual time is being looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dip {
    #[default]
    No,
    /// What began before is still ending.
    Begins,
    Measures,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Gradient {
    /// Permits; 0 before the first.
    limit: f64,
    windows: u32,
    /// The most that was in flight before there was a limit.
    peak: f64,
    /// For how long it has done nothing but shrink.
    squeezed: Duration,
    dip: Dip,
}

impl Gradient {
    /// Permits; `None`: not known yet.
    pub fn limit(&self) -> Option<f64> {
        let limit = match self.dip {
            Dip::No => self.limit,
            Dip::Begins | Dip::Measures => (self.limit / 2.0).max(1.0),
        };
        (self.limit > 0.0).then_some(limit)
    }

    /// After a window of this length. `in_flight` is the mean of what answers found in flight, permits; `acts`: the limit
    /// was enforced.
    pub fn step(&mut self, laps: &mut [Lap], in_flight: f64, span: Duration, acts: bool) {
        let slow = slow(laps);
        if self.look(laps) {
            return;
        }
        let in_use = self.limit > 0.0 && in_flight >= self.limit / 2.0;
        learn(laps, span, in_use);
        self.windows = self.windows.saturating_add(1);
        if self.windows <= WARM {
            self.peak = self.peak.max(in_flight);
            if self.windows == WARM {
                self.limit = (2.0 * self.peak).clamp(FIRST, MOST);
            }
            return;
        }
        if !in_use {
            // Whatever answers take now, it is not that too many were let in.
            self.squeezed = Duration::ZERO;
            return;
        }
        let gradient = TOLERANCE / slow;
        if gradient >= 1.0 {
            self.squeezed = Duration::ZERO;
            let carried = self.limit.max(in_flight);
            self.limit = (carried + carried.sqrt()).min(MOST);
            return;
        }
        let room = self.limit.min(in_flight).sqrt();
        let fits = (in_flight * gradient).max(self.limit / 2.0) + room;
        self.limit = (self.limit + SMOOTH * (fits - self.limit)).clamp(LEAST, MOST);
        self.squeezed += span;
        if acts && self.squeezed >= DIP_AFTER {
            self.dip = Dip::Begins;
        }
    }

    /// True: this window was one of half the limit.
    fn look(&mut self, laps: &mut [Lap]) -> bool {
        match self.dip {
            Dip::No => return false,
            Dip::Begins => self.dip = Dip::Measures,
            Dip::Measures => {
                for lap in laps.iter_mut().filter(|l| l.count > 0) {
                    lap.learn(1.0, lap.mean());
                }
                self.squeezed = Duration::ZERO;
                self.dip = Dip::No;
            }
        }
        true
    }
}

/// How many times their usual time the answers took; 1: nothing is known.
fn slow(laps: &[Lap]) -> f64 {
    let known = laps.iter().filter(|l| l.count > 0 && l.usual > 0.0);
    let add =
        |(took, usual): (f64, f64), l: &Lap| (took + l.took, usual + l.count as f64 * l.usual);
    let (took, usual): (f64, f64) = known.fold((0.0, 0.0), add);
    let slow = took / usual;
    match slow.is_finite() {
        true => slow,
        false => 1.0,
    }
}

fn learn(laps: &mut [Lap], span: Duration, in_use: bool) {
    let slower = match in_use {
        true => SLOWER_IN_USE,
        false => SLOWER,
    };
    for lap in laps.iter_mut().filter(|l| l.count > 0) {
        let mean = lap.mean();
        match mean < lap.usual {
            true => lap.learn(FASTER, mean),
            // However slow: one window of a stall is no new usual.
            false => {
                let part = span.as_secs_f64() / slower.as_secs_f64();
                lap.learn(part, mean.min(2.0 * lap.usual));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{mix, position};
    use std::collections::VecDeque;

    /// An upstream with so many servers, and who asks it: Poisson arrivals of exponential work.
    struct World {
        servers: usize,
        /// Seconds of work in a request.
        work: f64,
        /// Of what it can do.
        load: f64,
        acts: bool,
        seed: u64,
        now: f64,
        free: Vec<f64>,
        /// When each request in flight ends, and when it began; in the order of their ends.
        flight: VecDeque<(f64, f64)>,
        gradient: Gradient,
        lap: Lap,
        found: f64,
        began: f64,
    }

    #[derive(Debug, Default)]
    struct Seen {
        asked: f64,
        over: f64,
        served: f64,
        took: f64,
    }

    impl World {
        fn new(servers: usize, load: f64, acts: bool) -> World {
            World {
                servers,
                work: 0.05,
                load,
                acts,
                seed: 7,
                now: 0.0,
                free: vec![0.0; servers],
                flight: VecDeque::new(),
                gradient: Gradient::default(),
                lap: Lap::default(),
                found: 0.0,
                began: 0.0,
            }
        }

        fn exponential(&mut self) -> f64 {
            self.seed += 1;
            -(1.0 - position(mix(self.seed))).ln()
        }

        fn run(&mut self, seconds: f64) -> Seen {
            let (mut seen, end) = (Seen::default(), self.now + seconds);
            let mut next = self.now;
            while self.now < end {
                let rate = self.load * self.servers as f64 / 0.05;
                next += self.exponential() / rate;
                self.ends(next, &mut seen);
                self.now = next;
                seen.asked += 1.0;
                let limit = self.gradient.limit().unwrap_or(f64::MAX);
                if self.flight.len() as f64 + 1.0 > limit {
                    seen.over += 1.0;
                    if self.acts {
                        continue;
                    }
                }
                let work = self.exponential() * self.work;
                let server =
                    (0..self.servers).min_by(|a, b| self.free[*a].total_cmp(&self.free[*b]));
                let free = &mut self.free[server.unwrap()];
                *free = free.max(next) + work;
                let at = (*free, next);
                let place = self.flight.partition_point(|f| f.0 <= at.0);
                self.flight.insert(place, at);
            }
            seen
        }

        /// What ends until `until` is measured.
        fn ends(&mut self, until: f64, seen: &mut Seen) {
            while self.flight.front().is_some_and(|f| f.0 <= until) {
                let found = self.flight.len() as f64;
                let Some((end, began)) = self.flight.pop_front() else {
                    return;
                };
                self.lap.count += 1;
                self.lap.took += end - began;
                self.found += found;
                (seen.served, seen.took) = (seen.served + 1.0, seen.took + end - began);
                let mean = self.lap.took / self.lap.count as f64;
                let span = (2.0 * mean).clamp(0.5, 5.0);
                if end - self.began >= span && self.lap.count >= 20 {
                    let found = self.found / self.lap.count as f64;
                    let span = Duration::from_secs_f64(end - self.began);
                    let mut laps = [self.lap];
                    self.gradient.step(&mut laps, found, span, self.acts);
                    self.lap = Lap {
                        usual: laps[0].usual,
                        ..Lap::default()
                    };
                    (self.found, self.began) = (0.0, end);
                }
            }
        }

        fn stall(&mut self, seconds: f64) {
            for free in &mut self.free {
                *free = free.max(self.now) + seconds;
            }
        }
    }

    #[test]
    fn twice_what_it_can_do_ends_near_the_knee_with_bounded_latency() {
        for servers in [1, 10, 40] {
            let mut world = World::new(servers, 0.6, true);
            world.run(60.0);
            world.load = 2.0;
            world.run(30.0);
            let seen = world.run(120.0);
            let capacity = 120.0 * servers as f64 / 0.05;
            assert!(seen.served > 0.9 * capacity, "{servers}: {seen:?}");
            let mean = seen.took / seen.served;
            let bound = if servers == 1 { 0.35 } else { 0.15 };
            assert!(mean < bound, "{servers}: {mean} s, of 0.05 s alone");
        }
    }

    #[test]
    fn while_it_only_counts_it_says_what_it_would_let_in() {
        let mut world = World::new(10, 0.6, false);
        world.run(60.0);
        world.load = 1.3;
        world.run(30.0);
        let limit = world.gradient.limit().unwrap();
        assert!((10.0..60.0).contains(&limit), "{limit}");
        assert!(world.run(10.0).over > 1000.0, "nearly all are over it");
    }

    #[test]
    fn slow_and_unloaded_is_not_squeezed() {
        let mut world = World::new(10, 0.1, true);
        assert_eq!(world.run(60.0).over, 0.0);
        world.work = 0.25;
        let seen = world.run(120.0);
        assert_eq!(seen.over, 0.0, "five times its time, at half of its load");
        world.work = 0.05;
        assert_eq!(world.run(60.0).over, 0.0);
    }

    #[test]
    fn what_is_slower_for_good_is_learned_and_carries_what_it_can() {
        let mut world = World::new(40, 0.7, true);
        world.run(60.0);
        // Nine tenths of what it can do from now on.
        (world.work, world.load) = (0.15, 0.3);
        world.run(120.0);
        let seen = world.run(60.0);
        assert!(seen.over < 0.02 * seen.asked, "{seen:?}");
    }

    #[test]
    fn after_a_stall_all_is_let_in_again() {
        let mut world = World::new(20, 0.7, true);
        world.run(60.0);
        world.stall(5.0);
        world.run(20.0);
        let seen = world.run(60.0);
        assert!(seen.over < 0.01 * seen.asked, "{seen:?}");
        assert!(seen.took / seen.served < 0.08, "{seen:?}");
    }

    #[test]
    fn with_less_than_half_in_use_nothing_moves_and_else_a_fifth_at_most() {
        let window = |g: &mut Gradient, took: f64, in_flight: f64| {
            let mut laps = [Lap {
                count: 100,
                took: took * 100.0,
                usual: 0.05,
            }];
            g.step(&mut laps, in_flight, Duration::from_secs(1), false);
            g.limit().unwrap_or(0.0)
        };
        let mut g = Gradient::default();
        let first = (0..WARM).fold(0.0, |_, _| window(&mut g, 0.05, 50.0));
        assert_eq!(first, 100.0);
        for took in [0.01, 0.05, 5.0] {
            assert_eq!(window(&mut g, took, 49.9), 100.0, "{took} s each");
        }
        let shrunk = window(&mut g, 5.0, 50.0);
        assert!((80.0..90.0).contains(&shrunk), "{shrunk}");
        assert!(window(&mut g, 0.05, 50.0) > shrunk);
    }

    #[test]
    fn a_mix_that_turns_heavy_is_no_load() {
        let mut g = Gradient::default();
        let mut laps = [Lap::default(); 2];
        let window = |g: &mut Gradient, laps: &mut [Lap; 2], heavy: u64| {
            for (lap, (count, each)) in laps.iter_mut().zip([(100 - heavy, 0.01), (heavy, 1.0)]) {
                (lap.count, lap.took) = (count, count as f64 * each);
            }
            g.step(laps, 15.0, Duration::from_secs(1), true);
        };
        for _ in 0..20 {
            window(&mut g, &mut laps, 5);
        }
        let before = g.limit().unwrap();
        for _ in 0..20 {
            window(&mut g, &mut laps, 60);
        }
        assert!(g.limit().unwrap() >= before);
        assert_eq!(slow(&[Lap::default()]), 1.0);
    }
}
