//! What the model tells the data path: plain numbers that its gates read. Without them each gate keeps to its plain rule.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A learned limit acts from this confidence on; below it only counts.
pub const CONFIDENT: f64 = 0.9;

/// Who waits longer than this waits too long, and a shorter wait is no sign of overload (DAGOR's measure: WeChat, SoCC 2018).
pub const LATE: Duration = Duration::from_millis(20);

/// Of all services that the model knows well enough to say anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    pub services: Vec<Protection>,
}

/// What one service may hold at once, counted on the resource that it fills first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protection {
    pub service: String,
    /// The resource, for people.
    pub resource: String,
    /// Servers of the resource (cores, slots …) that the attempts in flight may hold together.
    pub servers: f64,
    /// Average attempts that may wait for that, in a burst.
    pub waiting: f64,
    /// Of the average attempt.
    pub mean: Use,
    /// Of one attempt of each route to the service.
    pub routes: Vec<(String, Use)>,
    /// From 0 to 1.
    pub confidence: f64,
}

/// What an attempt uses of the resource; 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// Resource-seconds.
    pub seconds: f64,
    /// Servers that it holds while it is in flight: those seconds over its whole time.
    pub share: f64,
    /// Mean time in flight at low load, seconds; 0: not known.
    #[serde(default)]
    pub life: f64,
    /// Standard error of `seconds`, as a share of it.
    #[serde(default)]
    pub error: f64,
}

impl Protection {
    /// `servers` in attempts of the average kind.
    pub fn permits(&self) -> f64 {
        self.servers / self.mean.share
    }
}
