//! Who is told of alerts.

use crate::Secret;
use serde::{Deserialize, Serialize};

/// More are not told.
pub const MAX_ALERTMANAGERS: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    pub alertmanager: Option<Alertmanager>,
    pub pagerduty: Option<PagerDuty>,
    pub webhook: Option<Webhook>,
    /// Where people find this Plimsoll's console; goes with every alert.
    pub link: Option<String>,
}

/// All of them are told: they agree among themselves who speaks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alertmanager {
    pub urls: Vec<String>,
    pub token: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PagerDuty {
    pub routing_key: Option<Secret>,
    pub url: String,
}

impl Default for PagerDuty {
    fn default() -> PagerDuty {
        PagerDuty {
            routing_key: None,
            url: "https://events.pagerduty.com/v2/enqueue".into(),
        }
    }
}

/// A receiver that takes what Alertmanager sends to its webhooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Such addresses often let in whoever knows them, so they are secrets.
    pub url: Option<Secret>,
    pub token: Option<Secret>,
}
