//! Questions in a part of PromQL, answered as Prometheus 2.42 answers them. What is not in that part is refused by name.
//!
//! `lex` and `parse` make an `ast`, `matcher` chooses series, `eval` walks the tree with one value for each step,
//! `over` looks back over a range, `math`, `binary`, `aggregate` and `quantile` put values together.

mod aggregate;
mod ast;
mod binary;
mod eval;
mod lex;
mod matcher;
mod math;
mod over;
mod parse;
mod quantile;

pub use ast::Op;
pub use matcher::Matcher;
pub use parse::{duration_ms, selector};

use crate::{Found, Group, Past};
use std::fmt;

/// Longest question, bytes.
pub const MAX_QUERY: usize = 8 * 1024;
/// Deepest nesting of a question.
pub const MAX_DEPTH: usize = 64;
/// Prometheus' bound on points of a series.
pub const MAX_POINTS: u64 = 11_000;
/// Values that one question may hold at once: 32 MB for each part of it.
pub const MAX_VALUES: usize = 4_000_000;
/// Samples that `sum_over_time` and its kin may look at.
pub const MAX_LOOKS: usize = 200_000_000;

/// Which times a question is asked for, milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    pub start_ms: i64,
    pub end_ms: i64,
    pub step_ms: i64,
}

impl Steps {
    pub fn at(ms: i64) -> Steps {
        Steps {
            start_ms: ms,
            end_ms: ms,
            step_ms: 1,
        }
    }

    /// Prometheus' checks, in its words.
    pub fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Steps, Refused> {
        if end_ms < start_ms {
            return Err(Refused::bad("end timestamp must not be before start time"));
        }
        if step_ms <= 0 {
            return Err(Refused::bad(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        let points = (i128::from(end_ms) - i128::from(start_ms)) / i128::from(step_ms);
        if points > i128::from(MAX_POINTS) {
            return Err(Refused::bad(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            ));
        }
        Ok(Steps {
            start_ms,
            end_ms,
            step_ms,
        })
    }

    pub fn len(&self) -> usize {
        ((self.end_ms - self.start_ms) / self.step_ms) as usize + 1
    }

    pub fn is_empty(&self) -> bool {
        false
    }

    pub fn all(&self) -> impl Iterator<Item = i64> {
        let (start, step) = (self.start_ms, self.step_ms);
        (0..self.len() as i64).map(move |i| start + i * step)
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As Prometheus sorts errors: the question is wrong, or its answer cannot be made.
    pub bad_data: bool,
    pub why: String,
}

impl Refused {
    pub fn bad(why: impl Into<String>) -> Refused {
        Refused {
            bad_data: true,
            why: why.into(),
        }
    }

    fn execution(why: impl Into<String>) -> Refused {
        Refused {
            bad_data: false,
            why: why.into(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// A value that is not there.
pub(crate) const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// NaN is a value, too.
pub fn is_there(value: f64) -> bool {
    value.to_bits() != ABSENT.to_bits()
}

/// Names and values of labels, sorted by name.
pub type Labels = Vec<(String, String)>;

/// One line of an answer: a value for each step, where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: Option<String>,
    pub labels: Labels,
    pub values: Vec<f64>,
}

/// A value for each step.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Vec<f64>),
    Vector(Vec<Line>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub value: Value,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// Answers a question for every step.
pub fn answer(past: &Past, text: &str, steps: Steps) -> Result<Answer, Refused> {
    let expr = parse::expression(text)?;
    let mut eval = eval::Eval::new(past, steps);
    let mut value = eval.value(&expr)?;
    if let Value::Vector(lines) = &mut value {
        lines.retain(|l| l.values.iter().any(|v| is_there(*v)));
        once(lines)?;
    }
    Ok(Answer {
        value,
        warnings: eval.warnings,
    })
}

/// No two lines of an answer may have the same labels.
pub(crate) fn once(lines: &[Line]) -> Result<(), Refused> {
    let mut seen = std::collections::HashSet::new();
    match lines.iter().all(|l| seen.insert((&l.name, &l.labels))) {
        true => Ok(()),
        false => Err(Refused::execution(
            "vector cannot contain metrics with the same labelset",
        )),
    }
}

/// Series that fit any of the selectors and have a sample in this time, without their values; all where there is no selector.
pub fn series(past: &Past, selectors: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Found> {
    let times = past.times(from_ms, to_ms);
    let chosen = |f: &Found| selectors.is_empty() || selectors.iter().any(|s| matcher::fits(s, f));
    let may = |g: &Group| selectors.is_empty() || selectors.iter().any(|s| matcher::may_fit(s, g));
    let named = |found: Found| Found {
        values: Vec::new(),
        ..found
    };
    let mut all = Vec::new();
    for group in past.groups().iter().filter(|g| may(g)) {
        all.extend(
            past.read(group, &times)
                .into_iter()
                .filter(chosen)
                .map(named),
        );
    }
    all
}

#[cfg(test)]
mod tests;
