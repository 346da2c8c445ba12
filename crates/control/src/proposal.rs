//! A change that somebody may try: what control needs to know of it to apply, compare and undo it.

use config::Op;
use serde::{Deserialize, Serialize};

/// An effect as a share of what it changes; positive is good, 0 is none:
/// a demand that falls by 70 % is 0.7, a capacity that doubles is 1.0. The interval holds 90 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Effect {
    pub fn new(mean: f64, low: f64, high: f64) -> Effect {
        Effect { mean, low, high }
    }
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }
    pub fn overlaps(&self, other: &Effect) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// What carries the change out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A patch to the document. It can be shown to a share of users first.
    Patch { ops: Vec<Op> },
    /// More instances of a service. Belongs to instances, so it is measured before and after.
    Replicas { service: String, add: u32 },
    /// Something only people can do: an index, a batch instead of N+1.
    Instruction { text: String },
}

/// A move with its evidence and predicted effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Stable for the same move on the same target, such as `cache-product`.
    pub id: String,
    /// Kind of move: `cache`, `replica`, `pool`; priors are kept per kind.
    pub kind: String,
    pub title: String,
    pub evidence: String,
    pub change: Change,
    /// What the prediction is of, such as `demand of product on lock.front.stock`.
    pub measures: String,
    pub predicted: Effect,
    /// The load line with it, requests per second: median and the safe 10 % quantile.
    pub line: Option<f64>,
    pub line_safe: Option<f64>,
    /// 1 (config, now) to 5 (redesign).
    pub size: u8,
    /// Dollars per hour more (negative: less).
    pub cost_per_hour: f64,
    /// How it is undone.
    pub reverse: String,
}
