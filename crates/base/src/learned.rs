//! What the model tells the data path: plain numbers that its gates read. Without them each gate keeps to its plain rule.

use serde::{Deserialize, Serialize};

/// A learned limit acts from this confidence on; below it only counts.
pub const CONFIDENT: f64 = 0.9;

/// Of all services that the model knows well enough to say anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    pub services: Vec<Protection>,
}

/// How much work one service may hold at once, counted on the resource that it fills first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protection {
    pub service: String,
    /// The resource, for people.
    pub resource: String,
    /// Resource-seconds that may be in flight.
    pub work_s: f64,
    /// Resource-seconds that may wait for that, in a burst.
    pub waiting_s: f64,
    /// Resource-seconds of the average attempt.
    pub mean_s: f64,
    /// Resource-seconds of one attempt of each route to the service; 0: it does not use the resource.
    pub costs: Vec<(String, f64)>,
    /// From 0 to 1.
    pub confidence: f64,
}

impl Protection {
    /// `work_s` in attempts of the average kind.
    pub fn permits(&self) -> f64 {
        self.work_s / self.mean_s
    }

    /// The same of `waiting_s`.
    pub fn waiting(&self) -> f64 {
        self.waiting_s / self.mean_s
    }
}
