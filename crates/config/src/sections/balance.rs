//! How instances are chosen, and which are left out.

use serde::{Deserialize, Serialize};

/// The same instance for the same key, as long as it is there and has room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    pub by: HashBy,
    pub method: HashMethod,
    /// No instance gets more than this times its equal part of what is in flight.
    pub bound: f64,
}

impl Default for Balance {
    fn default() -> Self {
        Balance {
            by: HashBy::User,
            method: HashMethod::Ring,
            bound: 1.25,
        }
    }
}

/// What of a request is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashBy {
    /// Who asks: the user, else the session, else the address.
    User,
    Path,
    /// By its name in lower case.
    Header(String),
    Cookie(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashMethod {
    Ring,
    Maglev,
}

/// What happens to an instance that is slower than its peers, or fails more often, on the same routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outliers {
    Off,
    /// It is told and counted.
    #[default]
    Observe,
    Eject,
}
