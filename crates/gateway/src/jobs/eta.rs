//! When jobs will be done: from what the model knows of their route, else from how fast they ended of late. Pure.
//!
//! With the model: jobs may use what the load line of the service leaves free of the resource that it fills first, and each
//! uses its demand of it; and only so many are under way at once, each for its time in flight. The slower of the two is
//! the rate. Without: the ends of the last ten seconds.

use super::pace::AVERAGED;
use std::time::Duration;

/// Standard deviations of the interval: about 95 %.
const Z: f64 = 2.0;
/// Nothing is said to be later than this.
const LONGEST_S: f64 = 24.0 * 3600.0;

/// What one job of a route needs, as the model has learned it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    /// Seconds of the resource that its service fills first; 0: nothing of it.
    pub seconds: f64,
    /// Mean time in flight at low load, seconds.
    pub life: f64,
    /// Standard error of `seconds`, as a share of it.
    pub error: f64,
    /// Servers of the resource that one permit of the service's learned limit stands for.
    pub permit: f64,
}

/// What jobs of a route may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// At once, as its config says.
    pub most: f64,
    /// Permits below the load line, those that its own jobs hold among them; `None`: there is no limit.
    pub permits: Option<f64>,
    /// The limit is configured: a permit is a request, whatever it uses.
    pub is_configured: bool,
}

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The route's learned demand, and what is free below the load line.
    Demand,
    /// How many ended of late.
    Rate,
    /// Nothing: none ended of late, and nothing is learned.
    Nothing,
}

/// How fast jobs of a lane will end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Per second.
    pub rate: f64,
    /// Standard error of it, as a share.
    pub error: f64,
    /// Time in flight of one, seconds; 0: not known.
    pub life: f64,
    pub basis: Basis,
}

/// From now until a job is done, in seconds: most likely, and within which it will be as far as the basis tells (95 %).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eta {
    pub likely: f64,
    pub low: f64,
    pub high: f64,
    pub basis: Basis,
}

impl Speed {
    /// `None`: the model says nothing of use; `rate` is what ended of late.
    pub fn of(demand: Option<&Demand>, room: Option<&Room>, rate: f64) -> Speed {
        let known = demand.zip(room).and_then(|(d, r)| by_demand(d, r));
        let nothing = Speed {
            rate: 0.0,
            error: 0.0,
            life: 0.0,
            basis: Basis::Nothing,
        };
        match (known, demand) {
            (Some(rate), Some(d)) => Speed {
                rate,
                error: d.error,
                life: d.life,
                basis: Basis::Demand,
            },
            _ if rate > 0.0 => Speed {
                rate,
                error: 1.0 / (rate * AVERAGED.as_secs_f64()).sqrt(),
                life: 0.0,
                basis: Basis::Rate,
            },
            _ => nothing,
        }
    }

    /// Seconds that a job takes at least which has so many before it, by what the model knows; `None`: it knows nothing.
    pub fn least(&self, ahead: u64) -> Option<f64> {
        if self.basis != Basis::Demand || self.rate <= 0.0 {
            return None;
        }
        let (likely, spread) = self.spread(ahead);
        Some(likely / spread)
    }

    /// Seconds that so many and one more take, and by how many times they may take more or less.
    fn spread(&self, ahead: u64) -> (f64, f64) {
        let n = ahead as f64 + 1.0;
        let likely = (n / self.rate).max(self.life);
        // Each takes its own time, and so the sum of n varies by its root; a wrong rate is wrong for all.
        (likely, 1.0 + Z * (self.error * self.error + 1.0 / n).sqrt())
    }

    /// Of a job with so many before it, not due for so many seconds. `None`: nobody knows.
    pub fn eta(&self, ahead: u64, due_in: f64) -> Option<Eta> {
        if self.basis == Basis::Nothing || self.rate <= 0.0 {
            return None;
        }
        let (likely, spread) = self.spread(ahead);
        let at = |s: f64| s.max(due_in).clamp(0.0, LONGEST_S);
        Some(Eta {
            likely: at(likely),
            low: at(likely / spread),
            high: at(likely * spread),
            basis: self.basis,
        })
    }
}

/// Jobs per second.
fn by_demand(d: &Demand, room: &Room) -> Option<f64> {
    if !(d.life.is_finite() && d.life > 0.0) {
        return None;
    }
    let mut rate = room.most / d.life;
    match (room.permits, room.is_configured) {
        (None, _) => {}
        (Some(permits), true) => rate = rate.min(permits / d.life),
        (Some(permits), false) if d.seconds > 0.0 => {
            rate = rate.min(permits * d.permit / d.seconds);
        }
        // It does not use what is short.
        (Some(_), false) => {}
    }
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// Seconds for `Retry-After` of a job that is not due for so many: whole ones, at least one, at most an hour.
pub fn retry_after(eta: Option<Eta>, due_in: f64) -> Duration {
    let seconds = eta.map_or(1.0, |e| e.likely).max(due_in);
    Duration::from_secs_f64(seconds.clamp(1.0, 3600.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        seconds: 0.05,
        life: 0.2,
        error: 0.1,
        permit: 0.5,
    };

    fn room(most: f64, permits: Option<f64>, is_configured: bool) -> Room {
        Room {
            most,
            permits,
            is_configured,
        }
    }

    fn rate(demand: &Demand, room: Room) -> f64 {
        Speed::of(Some(demand), Some(&room), 0.0).rate
    }

    #[test]
    fn a_planted_demand_tells_the_rate_by_the_slower_of_two_bounds() {
        // 0.7 of two servers are free: 1.4 server-seconds per second, 0.05 for each job.
        let line = room(100.0, Some(2.8), false);
        assert!((rate(&DEMAND, line) - 28.0).abs() < 1e-9);
        // Four at once for 0.2 s each.
        assert!((rate(&DEMAND, room(4.0, Some(2.8), false)) - 20.0).abs() < 1e-9);
        // A configured limit counts requests.
        assert!((rate(&DEMAND, room(100.0, Some(2.0), true)) - 10.0).abs() < 1e-9);
        assert!((rate(&DEMAND, room(4.0, None, false)) - 20.0).abs() < 1e-9);
        let light = Demand {
            seconds: 0.0,
            ..DEMAND
        };
        assert!((rate(&light, room(4.0, Some(0.1), false)) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn an_interval_holds_what_a_made_up_drain_takes() {
        let speed = Speed::of(Some(&DEMAND), Some(&room(100.0, Some(2.8), false)), 3.0);
        assert_eq!(speed.basis, Basis::Demand);
        let (mut seed, mut held) = (1u64, 0);
        let ahead = 99;
        let eta = speed.eta(ahead, 0.0).unwrap();
        assert!((eta.likely - 100.0 / 28.0).abs() < 1e-9);
        for _ in 0..400 {
            let mut next = || {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                (crate::hash::mix(seed) >> 11) as f64 / (1u64 << 53) as f64
            };
            // The true demand is off by up to the standard error, and single jobs vary exponentially.
            let off = 1.0 + DEMAND.error * (2.0 * next() - 1.0);
            let took: f64 = (0..=ahead).map(|_| -(1.0 - next()).ln() * off / 28.0).sum();
            held += u32::from((eta.low..=eta.high).contains(&took));
        }
        assert!(held >= 380, "{held} of 400");
    }

    #[test]
    fn without_a_model_it_is_the_rate_of_late_and_without_that_nothing() {
        let of = |demand, rate| Speed::of(demand, Some(&room(4.0, None, false)), rate);
        let late = of(None, 10.0);
        assert_eq!((late.basis, late.rate), (Basis::Rate, 10.0));
        let eta = late.eta(99, 0.0).unwrap();
        assert!(eta.low < 10.0 && eta.likely == 10.0 && eta.high < 14.0);
        assert_eq!(of(None, 0.0).eta(5, 0.0), None);
        let nonsense = Demand {
            life: f64::NAN,
            ..DEMAND
        };
        assert_eq!(of(Some(&nonsense), 0.0).basis, Basis::Nothing);
        let next = Speed::of(Some(&DEMAND), Some(&room(16.0, None, false)), 0.0);
        assert_eq!(next.eta(0, 0.0).unwrap().likely, 0.2, "its own time");
        let full = Speed::of(Some(&DEMAND), Some(&room(4.0, Some(0.0), false)), 1.0);
        assert_eq!(
            full.basis,
            Basis::Rate,
            "no room now: what ended tells more"
        );
        let later = late.eta(0, 60.0).unwrap();
        assert_eq!((later.low, later.likely), (60.0, 60.0));
        assert_eq!(retry_after(None, 0.0), Duration::from_secs(1));
        assert_eq!(retry_after(None, 59.2), Duration::from_secs(60));
        assert_eq!(retry_after(None, 1e6), Duration::from_secs(3600));
        assert_eq!(
            retry_after(late.eta(u64::MAX, 0.0), 0.0),
            Duration::from_secs(3600)
        );
    }
}
