//! What is kept, one line per member: the counters of `/metrics` under the names that they have there.

pub use base::buckets::{BOUNDS, PARTS, SUB};
use serde::{Deserialize, Serialize};

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Counts,
    Buckets,
}

impl Keep {
    pub const ALL: [Keep; 2] = [Keep::Counts, Keep::Buckets];
}

pub struct Metric {
    pub name: &'static str,
    pub labels: &'static [&'static str],
    /// Steps of the count that are one unit of the metric.
    pub steps: f64,
}

pub const REQUESTS: Metric = of("plimsoll_requests_total", &["route", "arm", "status"]);
/// Counted by parts of the buckets that are exposed; see [`crate::Series::part`].
pub const DURATIONS: Metric = of(
    "plimsoll_request_duration_seconds_bucket",
    &["route", "arm"],
);
pub const DURATION_SUM: Metric = Metric {
    name: "plimsoll_request_duration_seconds_sum",
    labels: &["route", "arm"],
    steps: 1e6,
};
pub const DURATION_COUNT: Metric = of("plimsoll_request_duration_seconds_count", &["route", "arm"]);
pub const REFUSED: Metric = of("plimsoll_refused_total", &["route"]);
pub const BEHIND: Metric = of("plimsoll_behind_total", &["route"]);
pub const UPSTREAM_ERRORS: Metric = of("plimsoll_upstream_errors_total", &["route", "reason"]);
pub const CALLS: Metric = of("plimsoll_calls_total", &["parent", "route"]);
pub const ATTEMPTS: Metric = of("plimsoll_attempts_total", &[]);
pub const SLO_ANSWERS: Metric = of("plimsoll_slo_answers_total", &["objective", "service"]);
pub const SLO_BAD: Metric = of("plimsoll_slo_bad_answers_total", &["objective", "service"]);
/// Numbers of the business: what was above 0, and what was below it.
pub const BUSINESS: Metric = Metric {
    name: "plimsoll_business_value_total",
    labels: &["route", "metric", "unit"],
    steps: 1e6,
};
pub const BUSINESS_BACK: Metric = Metric {
    name: "plimsoll_business_taken_back_total",
    ..BUSINESS
};
/// Answers that told them (`number`), and those that did not, by [`TOLD`].
pub const BUSINESS_ANSWERS: Metric = of(
    "plimsoll_business_answers_total",
    &["route", "metric", "unit", "told"],
);
pub const TOLD: [&str; 4] = ["number", "absent", "malformed", "unread"];

/// Stored by name: the order may change.
pub const METRICS: &[&Metric] = &[
    &REQUESTS,
    &DURATIONS,
    &DURATION_SUM,
    &DURATION_COUNT,
    &REFUSED,
    &BEHIND,
    &UPSTREAM_ERRORS,
    &CALLS,
    &ATTEMPTS,
    &SLO_ANSWERS,
    &SLO_BAD,
    &BUSINESS,
    &BUSINESS_BACK,
    &BUSINESS_ANSWERS,
];

const fn of(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric {
        name,
        labels,
        steps: 1.0,
    }
}

/// One count that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    pub metric: String,
    /// Values of the metric's labels, in their order.
    pub labels: Vec<String>,
    /// Of [`DURATIONS`]: which part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u16>,
}

impl Series {
    pub fn new(metric: &Metric, labels: &[&str]) -> Series {
        Series {
            metric: metric.name.to_owned(),
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            part: None,
        }
    }

    pub fn of_part(self, part: usize) -> Series {
        Series {
            part: Some(part as u16),
            ..self
        }
    }

    pub fn keep(&self) -> Keep {
        match self.part {
            Some(_) => Keep::Buckets,
            None => Keep::Counts,
        }
    }

    /// `None`: an older or a newer Plimsoll kept it.
    pub fn known(&self) -> Option<&'static Metric> {
        let metric = METRICS.iter().find(|m| m.name == self.metric)?;
        let parts = metric.name == DURATIONS.name;
        let fits = metric.labels.len() == self.labels.len() && self.part.is_some() == parts;
        fits.then_some(*metric)
    }
}
