//! What good means for a route or a service, and how bad is too bad.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counts are kept for so long: no window is longer.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(35 * 86_400);
/// Below it the windows of the burn rules would be shorter than a few seconds.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(86_400);
/// Names of the burn rules, and how many times too fast the error budget burns when each speaks
/// (Site Reliability Workbook, chapter 5, table 5-8).
pub const BURN_FACTORS: [(&str, f64); 4] = [
    ("page quick", 14.4),
    ("page slow", 6.0),
    ("ticket quick", 3.0),
    ("ticket slow", 1.0),
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// `None`: no answer is too late. A file has one of both at least.
    pub latency: Option<LatencyObjective>,
    /// Share of answers that have not failed, late or not; `None`: no objective of its own.
    pub availability: Option<f64>,
    pub window: SloWindow,
}

/// Answers that are good and in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyObjective {
    /// Above 0.
    pub within: Duration,
    /// 0.999 for 99.9 %: share of answers that are neither failed nor late.
    pub target: f64,
}

/// Names of the objective of a latency, and of one for failures alone.
pub const LATENCY: &str = "latency";
pub const AVAILABILITY: &str = "availability";

/// The id of an objective: `route-product-latency`. `scope` is `route` or `service`.
pub fn objective_id(scope: &str, name: &str, kind: &str) -> String {
    format!("{scope}-{name}-{kind}")
}

/// Over which the share is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SloWindow {
    /// The last so long.
    Rolling(Duration),
    /// Since the first of the month, UTC.
    Month,
}

impl Default for Slo {
    fn default() -> Slo {
        Slo {
            latency: None,
            availability: None,
            window: SloWindow::Rolling(Duration::from_secs(28 * 86_400)),
        }
    }
}
