//! Whether alerts open incidents.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incidents {
    /// `None`: pages, where the config names a catalog.
    pub from: Option<OpenFrom>,
    /// Calm after which one that nobody has taken on is resolved; `None`: people resolve.
    pub resolve_after: Option<Duration>,
}

/// The least severe alert that opens one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenFrom {
    None,
    Page,
    Ticket,
}

impl Default for Incidents {
    fn default() -> Incidents {
        Incidents {
            from: None,
            resolve_after: Some(Duration::from_secs(3600)),
        }
    }
}

impl Incidents {
    /// `catalog`: the config names one. Nobody who has none is surprised by files.
    pub fn opens(&self, catalog: bool) -> OpenFrom {
        let usual = if catalog {
            OpenFrom::Page
        } else {
            OpenFrom::None
        };
        self.from.unwrap_or(usual)
    }
}
