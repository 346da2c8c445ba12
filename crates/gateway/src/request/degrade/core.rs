//! Which rung of the ladder answers, and how much of the traffic asks for less. Pure.

use config::sections::Degrade as Rules;
use std::time::Duration;

/// What answers instead of a failure, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// A stored answer within its lifetime, to a request that wanted a newer one.
    Fresh,
    StaleIfError,
    LastGood,
    Static,
    /// 503 with `Retry-After`.
    Refuse,
}

impl Rung {
    pub fn name(self) -> &'static str {
        match self {
            Rung::Fresh => "fresh",
            Rung::StaleIfError => "stale-if-error",
            Rung::LastGood => "last-good",
            Rung::Static => "static",
            Rung::Refuse => "refused",
        }
    }
}

/// What the ladder must know of the stored answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    /// Seconds beyond its lifetime; zero: fresh.
    pub past: u64,
    /// What the answer says of how long it may stand in for an error, seconds (RFC 5861).
    pub own: Option<u64>,
    /// It must not be used beyond its lifetime.
    pub never_stale: bool,
}

pub fn rung(rules: &Rules, stored: Option<Stored>) -> Rung {
    let allowed = |d: Option<Duration>| d.map(|d| d.as_secs());
    match stored {
        Some(s) if s.past == 0 => return Rung::Fresh,
        Some(s) if !s.never_stale => {
            let own = s.own.or(allowed(rules.stale_if_error));
            if own.is_some_and(|o| s.past <= o) {
                return Rung::StaleIfError;
            }
            if allowed(rules.last_good).is_some_and(|l| s.past <= l) {
                return Rung::LastGood;
            }
        }
        _ => {}
    }
    match rules.fixed {
        Some(_) => Rung::Static,
        None => Rung::Refuse,
    }
}

/// Share of slow answers above which less is asked for: then the 95th percentile is beyond the target.
const SLOW: f64 = 0.05;
/// Fewer answers than this in a second decide nothing.
const FEW: u64 = 10;

/// The share of requests that may have everything, after a second in which `slow` of `all` answers were slow or failed.
/// It falls by a third and rises by a tenth (Klein et al., "Brownout", ICSE 2014, use a controller of this kind).
pub fn dim(full: f64, all: u64, slow: u64) -> f64 {
    match all {
        n if n >= FEW && slow as f64 > SLOW * n as f64 => match full * 2.0 / 3.0 {
            low if low < 0.05 => 0.0,
            less => less,
        },
        _ => (full + 0.1).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::Fixed;

    #[test]
    fn the_best_rung_that_is_declared_answers() {
        let rules = Rules {
            stale_if_error: Some(Duration::from_secs(60)),
            last_good: Some(Duration::from_secs(600)),
            fixed: Some(Fixed::default()),
            ..Rules::default()
        };
        let at = |past| Stored {
            past,
            ..Stored::default()
        };
        let of = |stored| rung(&rules, stored);
        assert_eq!(of(Some(at(0))), Rung::Fresh);
        assert_eq!(of(Some(at(60))), Rung::StaleIfError);
        assert_eq!(of(Some(at(61))), Rung::LastGood);
        assert_eq!(of(Some(at(601))), Rung::Static);
        assert_eq!(of(None), Rung::Static);
        let own = Stored {
            own: Some(5),
            ..at(6)
        };
        assert_eq!(of(Some(own)), Rung::LastGood, "its own word goes first");
        let never = Stored {
            never_stale: true,
            ..at(1)
        };
        assert_eq!(
            of(Some(never)),
            Rung::Static,
            "what must not be stale is not"
        );
        assert_eq!(rung(&Rules::default(), Some(at(1))), Rung::Refuse);
        let own = Stored {
            own: Some(5),
            ..at(5)
        };
        assert_eq!(rung(&Rules::default(), Some(own)), Rung::StaleIfError);
    }

    #[test]
    fn the_light_goes_down_fast_and_comes_back_slowly_and_stays_for_a_few() {
        assert_eq!(dim(1.0, 9, 9), 1.0, "too few");
        assert_eq!(dim(1.0, 100, 5), 1.0);
        let mut full = 1.0;
        for _ in 0..8 {
            full = dim(full, 100, 6);
        }
        assert_eq!(full, 0.0);
        for _ in 0..11 {
            full = dim(full, 100, 0);
        }
        assert_eq!(full, 1.0);
    }
}
