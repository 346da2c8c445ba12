//! How many deliveries of a lane may be under way, and why not more. Pure.

use super::eta::{Demand, Room, Speed};
use base::Nanos;
use std::time::Duration;

/// Time over which the rate is averaged.
pub(super) const AVERAGED: Duration = Duration::from_secs(10);

/// Why a lane is as fast as it is; shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As many at once as the route allows.
    Concurrency,
    /// It has begun with one, and doubles while deliveries succeed.
    SlowStart,
    /// Requests that somebody waits for leave no more room below the load line of the service.
    LoadLine,
    /// The target is away or has no room: what it said, and until when nothing is sent.
    Held(String),
    /// As many per second as its config allows.
    Rate,
    Paused,
    /// It was given up: why.
    Disabled(String),
}

impl Reason {
    pub fn label(&self) -> &'static str {
        match self {
            Reason::Concurrency => "concurrency",
            Reason::SlowStart => "slow_start",
            Reason::LoadLine => "load_line",
            Reason::Held(_) => "held",
            Reason::Rate => "rate",
            Reason::Paused => "paused",
            Reason::Disabled(_) => "disabled",
        }
    }
}

/// What bounds a lane from outside.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Deliveries at once.
    pub most: u32,
    /// How many more deliveries the service can hold below its load line; `None`: nobody knows.
    pub free: Option<u32>,
    /// The same in permits, with what is short of the line below zero; and all that is below it.
    pub spare: Option<f64>,
    pub line: Option<f64>,
    /// Deliveries per second; `None`: nobody asks for fewer.
    pub rate: Option<f64>,
    /// What the model knows of one delivery; `None`: nothing, or not surely enough.
    pub demand: Option<Demand>,
    /// A request is a permit, whatever it uses: the limit is configured.
    pub is_configured: bool,
    /// Permits of the limit that one delivery takes.
    pub cost: f64,
}

impl Bound {
    /// Of a lane whose route is gone.
    pub const NOTHING: Bound = Bound {
        most: 0,
        free: None,
        spare: None,
        line: None,
        rate: None,
        demand: None,
        is_configured: false,
        cost: 1.0,
    };
}

/// Share of a service's limit up to which jobs use it: the rest is for whoever comes and waits.
const LINE: f64 = 0.7;

/// Sums of thousandths are this exact, in permits.
const EXACT: f64 = 1e-6;

/// `Bound::free`, from a limit and what of it is in flight, both in thousandths of a permit, and how many permits one delivery
/// takes: a small learned limit has room for many that are cheap, and for few that are dear.
pub fn free(limit: u64, in_flight: u64, cost: f64) -> u32 {
    // What takes nothing of it does not fill it, and passes the limit as well.
    if cost <= 0.0 {
        return u32::MAX;
    }
    let spare = spare(limit, in_flight) + EXACT;
    // However small the limit is, and however dear they are, jobs end.
    let least = u32::from(in_flight == 0 || spare >= cost.min(1.0));
    ((spare / cost).max(0.0) as u32).max(least)
}

/// `Bound::spare`, from the same.
pub fn spare(limit: u64, in_flight: u64) -> f64 {
    line(limit) - in_flight as f64 / 1000.0
}

/// `Bound::line`, from the limit.
pub fn line(limit: u64) -> f64 {
    limit as f64 * LINE / 1000.0
}

/// A window that opens from one, doubles with each round of successes, and closes to one when nothing gets through.
#[derive(Clone, Debug)]
pub struct Pace {
    window: f64,
    in_flight: u32,
    held_until: Nanos,
    held_by: String,
    pub paused: bool,
    /// Why nothing is sent until somebody resumes it.
    pub disabled: Option<String>,
    /// What was left of its rate, and when.
    left: f64,
    spent: Nanos,
    /// Ends per second, averaged.
    rate: f64,
    counted: Nanos,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            window: 1.0,
            in_flight: 0,
            held_until: Nanos::ZERO,
            held_by: String::new(),
            paused: false,
            disabled: None,
            left: 0.0,
            spent: Nanos::ZERO,
            rate: 0.0,
            counted: Nanos::ZERO,
        }
    }
}

impl Pace {
    /// How many more may begin.
    pub fn room(&self, bound: Bound, now: Nanos) -> u32 {
        match self.reason(bound, now) {
            Reason::Paused | Reason::Held(_) | Reason::Disabled(_) => 0,
            Reason::Rate => self.allowed(bound.rate, now),
            Reason::LoadLine => bound.free.unwrap_or(0),
            _ => self.own(bound.most),
        }
    }

    /// By its own window.
    fn own(&self, most: u32) -> u32 {
        (self.window as u32)
            .min(most)
            .saturating_sub(self.in_flight)
    }

    pub fn reason(&self, bound: Bound, now: Nanos) -> Reason {
        match () {
            () if self.paused => Reason::Paused,
            () if self.disabled.is_some() => {
                Reason::Disabled(self.disabled.clone().unwrap_or_default())
            }
            () if now < self.held_until => Reason::Held(self.held_by.clone()),
            () if bound.free.is_some_and(|free| free < self.own(bound.most)) => Reason::LoadLine,
            () if self.allowed(bound.rate, now) < self.own(bound.most) => Reason::Rate,
            () if self.window < f64::from(bound.most) => Reason::SlowStart,
            () => Reason::Concurrency,
        }
    }

    pub fn begin(&mut self, n: u32) {
        self.in_flight += n;
    }

    /// One was not sent after all.
    pub fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether somebody has to resume it.
    pub fn is_still(&self) -> bool {
        self.paused || self.disabled.is_some()
    }

    /// The same, of a lane with a rate.
    pub fn spend(&mut self, n: u32, rate: Option<f64>, now: Nanos) {
        if let Some(rate) = rate {
            self.left = self.filled(rate, now) - f64::from(n);
            self.spent = now;
        }
    }

    /// What a second's worth holds now, and at least one.
    fn filled(&self, rate: f64, now: Nanos) -> f64 {
        let more = rate * now.since(self.spent).as_secs_f64();
        (self.left + more).min(rate.max(1.0))
    }

    fn allowed(&self, rate: Option<f64>, now: Nanos) -> u32 {
        rate.map_or(u32::MAX, |rate| self.filled(rate, now).max(0.0) as u32)
    }

    /// A delivery got through, whatever it was answered.
    pub fn through(&mut self, most: u32, now: Nanos) {
        self.end(now);
        self.window = (self.window + 1.0).min(f64::from(most.max(1)));
    }

    /// The target asks for less: half as many, and none for so long.
    pub fn overloaded(&mut self, wait: Duration, why: &str, now: Nanos) {
        self.end(now);
        self.window = (self.window / 2.0).max(1.0);
        self.hold(wait, why, now);
    }

    /// The target was not reached: one at a time from then on.
    pub fn away(&mut self, wait: Duration, why: &str, now: Nanos) {
        self.end(now);
        self.window = 1.0;
        self.hold(wait, why, now);
    }

    fn hold(&mut self, wait: Duration, why: &str, now: Nanos) {
        self.held_until = self.held_until.max(now + wait);
        why.clone_into(&mut self.held_by);
    }

    fn end(&mut self, now: Nanos) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.rate = self.rate(now) + 1.0 / AVERAGED.as_secs_f64();
        self.counted = now;
    }

    pub fn rate(&self, now: Nanos) -> f64 {
        let since = now.since(self.counted).as_secs_f64();
        self.rate * (-since / AVERAGED.as_secs_f64()).exp()
    }

    /// How fast its jobs will end.
    pub fn speed(&self, bound: &Bound, now: Nanos) -> Speed {
        let own = f64::from(self.in_flight) * bound.cost;
        let room = Room {
            most: f64::from(bound.most),
            permits: bound.spare.map(|spare| (spare + own).max(0.0)),
            is_configured: bound.is_configured,
        };
        // Nothing ends while nothing is sent, whatever it needs.
        match self.is_still() {
            true => Speed::of(None, None, 0.0),
            false => Speed::of(bound.demand.as_ref(), Some(&room), self.rate(now)),
        }
    }

    /// How fast they would end if nobody else used the service.
    pub fn fastest(&self, bound: &Bound) -> Speed {
        let room = Room {
            most: f64::from(bound.most),
            permits: bound.line,
            is_configured: bound.is_configured,
        };
        Speed::of(bound.demand.as_ref(), Some(&room), 0.0)
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn of(most: u32) -> Bound {
        Bound {
            most,
            ..Bound::NOTHING
        }
    }

    #[test]
    fn a_rate_is_kept_and_a_disabled_lane_is_still() {
        let mut pace = Pace {
            window: 8.0,
            ..Pace::default()
        };
        let bound = Bound {
            rate: Some(2.0),
            ..of(8)
        };
        let mut begun = 0;
        for tick in 10..110 {
            let now = Nanos(tick * 100_000_000);
            let n = pace.room(bound, now);
            pace.begin(n);
            pace.spend(n, bound.rate, now);
            (0..n).for_each(|_| pace.through(8, now));
            begun += n;
        }
        assert!((20..=22).contains(&begun), "{begun} in 10 s");
        assert_eq!(pace.reason(bound, Nanos(10_900_000_000)), Reason::Rate);
        pace.disabled = Some("gone".into());
        let later = Nanos(100_000_000_000);
        assert_eq!(pace.room(bound, later), 0);
        assert_eq!(pace.reason(bound, later).label(), "disabled");
    }

    #[test]
    fn jobs_stay_below_the_load_line() {
        assert_eq!(free(10_000, 0, 1.0), 7);
        assert_eq!(free(10_000, 6_500, 1.0), 0);
        assert_eq!(free(10_000, 4_000, 1.0), 3);
        assert_eq!((free(1_000, 0, 1.0), free(1_000, 1_000, 1.0)), (1, 0));
        // A limit of two has room for nine jobs of 0.15 each beside nothing, and for four beside work of 0.8.
        assert_eq!((free(2_000, 0, 0.15), free(2_000, 800, 0.15)), (9, 4));
        // Dear ones take more than one each, are begun one by one where a permit is free, and what takes nothing waits for nothing but its turn.
        assert_eq!((free(10_000, 1_000, 3.0), free(10_000, 0, 20.0)), (2, 1));
        assert_eq!(
            (free(10_000, 6_000, 20.0), free(10_000, 6_500, 20.0)),
            (1, 0)
        );
        assert_eq!(free(1_000, 900, 0.0), u32::MAX);
        let mut pace = Pace::default();
        for _ in 0..8 {
            pace.begin(1);
            pace.through(8, Nanos(0));
        }
        let below = |free| Bound {
            free: Some(free),
            ..of(8)
        };
        assert_eq!(pace.room(below(3), Nanos(0)), 3);
        assert_eq!(pace.reason(below(3), Nanos(0)), Reason::LoadLine);
        assert_eq!(pace.room(below(20), Nanos(0)), 8);
        assert_eq!(pace.reason(below(20), Nanos(0)), Reason::Concurrency);
    }

    #[test]
    fn it_begins_with_one_and_doubles_while_deliveries_get_through() {
        let mut pace = Pace::default();
        let mut rounds = Vec::new();
        for _ in 0..6 {
            let n = pace.room(of(16), Nanos(0));
            rounds.push(n);
            pace.begin(n);
            assert_eq!(pace.room(of(16), Nanos(0)), 0);
            (0..n).for_each(|_| pace.through(16, Nanos(0)));
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16, 16]);
        assert_eq!(pace.reason(of(16), Nanos(0)), Reason::Concurrency);
        // A lower bound of a new generation holds at once.
        assert_eq!(pace.room(of(4), Nanos(0)), 4);
    }

    #[test]
    fn nothing_is_sent_while_the_target_is_away_and_then_one() {
        let mut pace = Pace::default();
        for _ in 0..8 {
            pace.begin(1);
            pace.through(8, Nanos(0));
        }
        pace.begin(2);
        pace.away(S, "breaker-open", Nanos(0));
        pace.away(S, "breaker-open", Nanos(0));
        assert_eq!(pace.room(of(8), Nanos(0)), 0);
        assert_eq!(
            pace.reason(of(8), Nanos(0)),
            Reason::Held("breaker-open".into())
        );
        assert_eq!(pace.room(of(8), Nanos(0) + S), 1);
        pace.paused = true;
        assert_eq!(pace.room(of(8), Nanos(0) + S), 0);
    }

    #[test]
    fn an_overload_halves() {
        let mut pace = Pace::default();
        for _ in 0..7 {
            pace.begin(1);
            pace.through(8, Nanos(0));
        }
        pace.begin(1);
        pace.overloaded(S, "status 429", Nanos(0));
        assert_eq!(pace.room(of(8), Nanos(0) + S), 4);
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        for ms in 0..30_000 {
            pace.begin(1);
            pace.through(8, Nanos(ms * 1_000_000));
        }
        let rate = pace.rate(Nanos(30_000_000_000));
        assert!((900.0..1000.0).contains(&rate), "{rate}");
    }
}
