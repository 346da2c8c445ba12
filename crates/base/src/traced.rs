//! What the spans of a route's requests show of the way it works: evidence for people and for advice.

use serde::{Deserialize, Serialize};

/// One route, by the attempts that were traced lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    pub route: String,
    /// Attempts seen, older ones faded; and their share of those that the gateway counted, 0 to 1.
    pub attempts: f64,
    pub share: f64,
    /// Seconds of one attempt.
    pub seconds: f64,
    /// What an attempt waits for in the end, largest first; the shares are of its time.
    pub critical: Vec<Part>,
    /// Calls that are made more than once in an attempt, most first.
    pub repeats: Vec<Repeat>,
    /// Calls of services one after another.
    pub chain: Option<Chain>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// A service, `db.SERVICE`, a resource, or whoever is called.
    pub whose: String,
    pub share: f64,
}

/// The same call, per attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// The statement without its values, or method and address.
    pub what: String,
    pub database: bool,
    pub calls: f64,
    /// Share of the calls that began when all before had ended.
    pub serial: f64,
    /// Of all the calls together.
    pub seconds: f64,
}

/// Calls of services that begin when those before have ended, per attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    pub calls: f64,
    /// All together, and the longest of them: what is left when all are made at once.
    pub seconds: f64,
    pub longest: f64,
}

impl Repeat {
    /// Similar calls per request that make an N+1.
    pub const MANY: f64 = 5.0;

    /// One call for each item, one after another.
    pub fn is_n_plus_one(&self) -> bool {
        self.calls >= Repeat::MANY && self.serial >= 0.8
    }
}
