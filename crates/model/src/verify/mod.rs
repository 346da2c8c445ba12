//! Verification compares demand, not capacity: at a moderate load no trial can see a load line.
//! A change is kept when what was predicted is measured and nothing got worse; both decisions may be looked at
//! as often as one likes.

mod bound;

pub use bound::{harm_evidence, sequence_width};

use crate::advice::Range;
use serde::{Deserialize, Serialize};

/// Mean of something per request on one arm, its standard error, and from how many requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub mean: f64,
    pub se: f64,
    pub n: f64,
}

/// A predicted ratio of new to base, and what both arms showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// `demand of product on lock.front.stock`.
    pub of: String,
    pub predicted: Range,
    pub base: Measure,
    pub new: Measure,
}

/// What went wrong on one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Harm {
    pub requests: u64,
    pub errors: u64,
    /// Not within the route's latency.
    pub slow: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub effects: Vec<Effect>,
    pub base: Harm,
    pub new: Harm,
    /// The time of the trial is over: decide now.
    pub last_look: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Risk of a false alarm over all looks.
    pub alpha: f64,
    /// Failures on the new arm may be this much more frequent (0.1: a tenth).
    pub margin: f64,
    /// No verdict on the effect before each arm has answered this many.
    pub least: u64,
    /// Requests at which the interval of the effect is tightest.
    pub typical: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            alpha: 0.05,
            margin: 0.1,
            least: 100,
            typical: 1000.0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// No harm, and the predicted effect is there.
    Kept {
        why: String,
        ratio: Range,
    },
    /// Harm, or clearly no effect.
    RolledBack {
        why: String,
    },
    /// No harm; the effect is not visible at this load.
    KeptUnproven {
        why: String,
    },
    Continue {
        why: String,
    },
}

/// The verdict at this look.
pub fn verify(trial: &Trial, options: &Options) -> Verdict {
    let (b, n) = (&trial.base, &trial.new);
    if let Some(what) = bound::harmed(b, n, options.alpha, options.margin) {
        let share = |bad: u64, all: u64| 100.0 * bad as f64 / all.max(1) as f64;
        let (was, is) = if what == "errors" {
            (share(b.errors, b.requests), share(n.errors, n.requests))
        } else {
            (share(b.slow, b.requests), share(n.slow, n.requests))
        };
        return Verdict::RolledBack {
            why: format!("{is:.2} % {what} with the change, {was:.2} % without"),
        };
    }
    let open = |why: String| {
        if trial.last_look {
            Verdict::KeptUnproven { why }
        } else {
            Verdict::Continue { why }
        }
    };
    if b.requests.min(n.requests) < options.least {
        return open(format!(
            "only {} requests with the change, {} without",
            n.requests, b.requests
        ));
    }
    // The effect that stands out most from its noise decides.
    let judged = trial
        .effects
        .iter()
        .filter_map(|e| Some((e, measured(e, options)?)));
    let strongest = judged.max_by(|(a, x), (b, y)| {
        let signal = |e: &Effect, r: &Range| {
            e.predicted.value.max(1e-6).ln().abs() / (r.high / r.low).ln().max(1e-9)
        };
        signal(a, x).total_cmp(&signal(b, y))
    });
    match strongest {
        None => open("the effect was not measured on both arms".into()),
        Some((effect, ratio)) => judge(effect, ratio).unwrap_or_else(|| {
            open(format!(
                "{} changed to x{:.2} [{:.2}, {:.2}]: too wide to tell from x{:.2}",
                effect.of, ratio.value, ratio.low, ratio.high, effect.predicted.value
            ))
        }),
    }
}

/// Ratio of new to base with an interval that holds at all looks.
fn measured(e: &Effect, options: &Options) -> Option<Range> {
    let sound = |m: &Measure| m.mean > 0.0 && m.se.is_finite() && m.se >= 0.0 && m.n >= 2.0;
    if !sound(&e.base) || !(sound(&e.new) || (e.new.mean == 0.0 && e.new.n >= 2.0)) {
        return None;
    }
    let least = 1e-3 * e.base.mean;
    let mean = e.new.mean.max(least);
    let value = mean / e.base.mean;
    // In the logarithm; a mean of (nearly) nothing has an error as large as itself.
    let relative = |se: f64, mean: f64| (se / mean).min(1.5);
    let se = relative(e.base.se, e.base.mean).hypot(relative(e.new.se, mean));
    let half = se * sequence_width(e.base.n.min(e.new.n), options.alpha, options.typical);
    Some(Range {
        value,
        low: value * (-half).exp(),
        high: value * half.exp(),
    })
}

/// `None`: cannot be told yet.
fn judge(e: &Effect, m: Range) -> Option<Verdict> {
    let p = e.predicted;
    let said = |m: &Range| format!("{} is x{:.2} [{:.2}, {:.2}]", e.of, m.value, m.low, m.high);
    let promised = format!(
        "x{:.2} [{:.2}, {:.2}] was predicted",
        p.value, p.low, p.high
    );
    // Everything in the direction of the prediction: below 1 is less, above 1 is more.
    let less = p.value < 1.0;
    let there = if less { m.high < 1.0 } else { m.low > 1.0 };
    let overlaps = m.low <= p.high && p.low <= m.high;
    let beyond = if less { m.high < p.low } else { m.low > p.high };
    if there && (overlaps || beyond) {
        return Some(Verdict::Kept {
            why: format!("{}; {promised}", said(&m)),
            ratio: m,
        });
    }
    if overlaps {
        return None;
    }
    // The prediction is ruled out. Half of it (in the logarithm) is still worth keeping.
    let half = p.value.max(1e-6).sqrt();
    let worth = there
        && if less {
            m.value <= half
        } else {
            m.value >= half
        };
    Some(if worth {
        Verdict::Kept {
            why: format!("{}, less than promised: {promised}", said(&m)),
            ratio: m,
        }
    } else {
        Verdict::RolledBack {
            why: format!("it does not help: {}; {promised}", said(&m)),
        }
    })
}
