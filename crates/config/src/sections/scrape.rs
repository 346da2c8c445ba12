//! An exporter whose counters tell what a resource does.

use crate::selector::Selector;
use serde::{Deserialize, Serialize};

/// Read once a second. Series that a selector matches are added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scrape {
    /// `http://host:port/path`, answering in Prometheus' text format.
    pub url: String,
    /// A counter of resource-seconds (or units) used.
    pub busy: Option<Selector>,
    /// One unit of `busy` in seconds, such as 0.001 for milliseconds.
    pub scale: Option<f64>,
    /// Gauges: in use now (instead of `busy`), waiting now, offered.
    pub level: Option<Selector>,
    pub waiting: Option<Selector>,
    pub capacity: Option<Selector>,
}
