//! Verification compares demand, not capacity: at a moderate load no trial can see a load line.
//! It says two things of the arms of a trial: whether the new one is worse, and by how much it differs in what was
//! promised. Both may be looked at as often as one likes. What follows from them is control's to decide.

mod bound;

pub use bound::{Stratum, harm_evidence, sequence_width};

use crate::advice::Range;
use serde::{Deserialize, Serialize};

/// Mean of something per request on one arm, its standard error, and from how many requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub mean: f64,
    pub se: f64,
    pub n: f64,
}

/// What went wrong on one arm of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Harm {
    pub requests: u64,
    pub errors: u64,
    /// Not within the route's latency; `None` when the route has no objective.
    pub slow: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Risk of a false alarm over all looks, and of an interval that misses the truth at any of them.
    pub alpha: f64,
    /// Failures on the new arm may be this much more frequent (0.1: a tenth).
    pub margin: f64,
    /// Requests at which the interval of the effect is tightest.
    pub typical: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            alpha: 0.05,
            margin: 0.1,
            typical: 200.0,
        }
    }
}

/// What is proven to be worse on the new arm, for people; `None`: nothing is. `routes` holds base and new of each
/// route; routes that only one arm has seen say nothing.
pub fn harm(routes: &[(Harm, Harm)], options: &Options) -> Option<String> {
    let errors = |(b, n): &(Harm, Harm)| {
        Some(Stratum {
            base: (b.requests, b.errors),
            new: (n.requests, n.errors),
        })
    };
    let slow = |(b, n): &(Harm, Harm)| {
        Some(Stratum {
            base: (b.requests, b.slow?),
            new: (n.requests, n.slow?),
        })
    };
    let strata = |of: &dyn Fn(&(Harm, Harm)) -> Option<Stratum>| -> Vec<Stratum> {
        routes.iter().filter_map(of).collect()
    };
    [
        ("errors", strata(&errors)),
        ("slow requests", strata(&slow)),
    ]
    .into_iter()
    // Two tests share the risk.
    .find(|(_, s)| harm_evidence(s, options.margin) >= 2.0 / options.alpha)
    .map(|(what, s)| {
        format!(
            "{:.2} % {what} with the change, {:.2} % without, at the same mix",
            100.0 * share(&s, |s| s.new),
            100.0 * share(&s, |s| s.base)
        )
    })
}

/// Share of bad answers on one arm, with each route weighted by its requests on both: the arms' mixes may differ.
fn share(routes: &[Stratum], arm: impl Fn(&Stratum) -> (u64, u64)) -> f64 {
    let both = routes.iter().filter(|s| s.base.0 > 0 && s.new.0 > 0);
    let (bad, all) = both.fold((0.0, 0.0), |(bad, all), s| {
        let (n, x) = arm(s);
        let weight = (s.base.0 + s.new.0) as f64;
        (bad + weight * x as f64 / n as f64, all + weight)
    });
    bad / f64::max(all, 1.0)
}

/// Ratio of new to base with an interval that holds at all looks; `None` while either side is not measured.
pub fn ratio(base: &Measure, new: &Measure, options: &Options) -> Option<Range> {
    let sound = |m: &Measure| m.se.is_finite() && m.se >= 0.0 && m.n >= 2.0;
    if !sound(base) || !sound(new) || base.mean <= 0.0 || new.mean < 0.0 {
        return None;
    }
    // Nothing at all is taken for a thousandth: the interval is one of ratios.
    let mean = new.mean.max(1e-3 * base.mean);
    let value = mean / base.mean;
    // In the logarithm; a mean of (nearly) nothing has an error as large as itself.
    let relative = |se: f64, mean: f64| (se / mean).min(1.5);
    let se = relative(base.se, base.mean).hypot(if new.mean > 0.0 {
        relative(new.se, mean)
    } else {
        1.5
    });
    let half = se * sequence_width(base.n.min(new.n), options.alpha, options.typical);
    Some(Range {
        value,
        low: value * (-half).exp(),
        high: value * half.exp(),
    })
}
