//! What time it is at the gateway: from exchanges of which both sides know both ends (Cristian, NTP). Pure.
//!
//! `offset = ((received - asked) + (sent - answered)) / 2`, wrong by at most half of the time on the way. Of the last
//! exchanges the one that bounds it best counts: the shortest way, and not too long ago, because clocks drift.

use base::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

/// Exchanges remembered.
const EXCHANGES: usize = 32;
/// Two good clocks drift apart by less: 50 µs per second.
const DRIFT: f64 = 50e-6;
/// An estimate that is wrong by more is told as such.
pub const GOOD: Duration = Duration::from_millis(5);

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// On this host's clock.
    pub asked: Nanos,
    pub answered: Nanos,
    /// On the gateway's.
    pub received: Nanos,
    pub sent: Nanos,
}

impl Exchange {
    /// Time on the way there and back; `None`: the numbers cannot be.
    fn way(&self) -> Option<u64> {
        let whole = self.answered.0.checked_sub(self.asked.0)?;
        whole.checked_sub(self.sent.0.checked_sub(self.received.0)?)
    }
    fn offset(&self) -> i128 {
        let difference = |a: Nanos, b: Nanos| i128::from(a.0) - i128::from(b.0);
        (difference(self.received, self.asked) + difference(self.sent, self.answered)) / 2
    }
}

/// Where the gateway's clock stands against ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// To be added to our clock.
    pub offset: i128,
    pub off_by: Duration,
}

impl Estimate {
    pub fn at_gateway(&self, here: Nanos) -> Nanos {
        let there = i128::from(here.0) + self.offset;
        Nanos(u64::try_from(there).unwrap_or(0))
    }
    pub fn here(&self, at_gateway: Nanos) -> Nanos {
        let here = i128::from(at_gateway.0) - self.offset;
        Nanos(u64::try_from(here).unwrap_or(0))
    }
}

#[derive(Debug, Default)]
pub struct Clocks {
    /// Which run of the gateway they are about.
    gateway: u64,
    exchanges: VecDeque<Exchange>,
}

impl Clocks {
    /// Takes an exchange. What was known is forgotten when the gateway started anew, and when a clock has jumped:
    /// the new offset cannot be true together with the old one. Tells whether it jumped.
    pub fn take(&mut self, gateway: u64, e: Exchange) -> bool {
        let Some(way) = e.way() else { return false };
        if gateway != self.gateway {
            self.exchanges.clear();
            self.gateway = gateway;
        }
        let bound = i128::from(way / 2);
        let jumped = self.estimate(e.answered).is_some_and(|known| {
            let apart = (e.offset() - known.offset).abs();
            apart > bound + known.off_by.as_nanos() as i128
        });
        if jumped {
            self.exchanges.clear();
        }
        if self.exchanges.len() == EXCHANGES {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(e);
        jumped
    }

    /// The run of the gateway whose clock is estimated; 0: none.
    pub fn gateway(&self) -> u64 {
        self.gateway
    }

    /// The best estimate now; `None` before the first exchange.
    pub fn estimate(&self, now: Nanos) -> Option<Estimate> {
        let off_by = |e: &Exchange| {
            let drift = now.since(e.answered).mul_f64(DRIFT);
            Duration::from_nanos(e.way().unwrap_or(u64::MAX) / 2) + drift
        };
        let best = self.exchanges.iter().min_by_key(|e| off_by(e))?;
        Some(Estimate {
            offset: best.offset(),
            off_by: off_by(best),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Asked at `at` ms here; the gateway is `ahead` ms ahead; ways of `there` and `back` ms.
    fn exchange(at: u64, ahead: i64, there: u64, back: u64) -> Exchange {
        let gateway = |ms: u64| Nanos((ms as i64 + ahead) as u64 * MS);
        Exchange {
            asked: Nanos(at * MS),
            received: gateway(at + there),
            sent: gateway(at + there + 1),
            answered: Nanos((at + there + 1 + back) * MS),
        }
    }

    #[test]
    fn the_shortest_way_tells_best_and_its_half_bounds_the_error() {
        let mut c = Clocks::default();
        assert_eq!(c.estimate(Nanos(0)), None);
        assert!(!c.take(7, exchange(1000, 5000, 30, 10)));
        assert!(!c.take(7, exchange(2000, 5000, 1, 1)));
        assert!(!c.take(7, exchange(3000, 5000, 2, 80)));
        let e = c.estimate(Nanos(2003 * MS)).unwrap();
        assert_eq!(
            (e.offset, e.off_by),
            (5000 * i128::from(MS), Duration::from_millis(1))
        );
        assert_eq!(e.at_gateway(Nanos(10)).0, 5000 * MS + 10);
        assert_eq!(e.here(e.at_gateway(Nanos(10))), Nanos(10));
        // Later it is worth less.
        let later = c.estimate(Nanos(12_003 * MS)).unwrap();
        assert_eq!(later.off_by, Duration::from_micros(1500));
    }

    #[test]
    fn a_clock_that_jumps_or_begins_anew_is_noticed() {
        let mut c = Clocks::default();
        c.take(7, exchange(1000, 5000, 1, 1));
        assert!(c.take(7, exchange(2000, 9000, 1, 1)), "it went to sleep");
        assert_eq!(c.estimate(Nanos(2003 * MS)).unwrap().offset, 9_000_000_000);
        assert!(!c.take(8, exchange(3000, -2900, 1, 1)), "another gateway");
        assert_eq!(c.estimate(Nanos(3003 * MS)).unwrap().offset, -2_900_000_000);
        let broken = Exchange {
            sent: Nanos(0),
            ..exchange(4000, 0, 1, 1)
        };
        assert!(!c.take(8, broken));
        assert_eq!(c.exchanges.len(), 1);
    }
}
