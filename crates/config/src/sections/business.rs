//! What the answers of a route are worth to the business: numbers that are counted from them.

use serde::{Deserialize, Serialize};

/// Of one route, and of all together: each is a row of metrics and a series of the history.
pub const MOST_OF_ROUTE: usize = 8;
pub const MOST_MEASURES: usize = 100;

/// One number of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub name: String,
    /// Which answers: statuses from and to, both among them.
    pub status: Vec<(u16, u16)>,
    pub term: Term,
    /// What is summed, such as `usd`; empty: plain numbers.
    pub unit: String,
    /// A body beyond this is not read, bytes.
    pub max_body: u64,
}

/// What one answer adds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Term {
    /// One.
    #[default]
    Answer,
    /// The number in this header; its name in lower case.
    Header(String),
    /// The number at this place of the body, a JSON pointer (RFC 6901).
    Json(String),
}

impl Measure {
    pub fn named(name: &str) -> Measure {
        Measure {
            name: name.to_owned(),
            status: vec![(200, 299)],
            term: Term::default(),
            unit: String::new(),
            max_body: 64 << 10,
        }
    }

    pub fn wants(&self, status: u16) -> bool {
        self.status
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&status))
    }
}
