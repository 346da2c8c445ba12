//! A number of the business: what the answers of a route told of it, since some moment.

use serde::{Deserialize, Serialize};

/// One number of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worth {
    pub route: String,
    pub name: String,
    /// Empty: plain numbers.
    pub unit: String,
    /// In millionths: what was above 0, and what was below it (refunds), as a number above 0.
    pub added_micro: u64,
    pub taken_micro: u64,
    /// Answers that told it; in which it should have stood, and did not; in which no number stood; that were not read.
    pub counted: u64,
    pub absent: u64,
    pub malformed: u64,
    pub unread: u64,
}

impl Worth {
    /// What is left of it, in millionths.
    pub fn micro(&self) -> i64 {
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        whole(self.added_micro).saturating_sub(whole(self.taken_micro))
    }

    /// Answers that told it, without it, with no number there, and not read.
    pub fn told(&self) -> [u64; 4] {
        [self.counted, self.absent, self.malformed, self.unread]
    }

    /// `orders`, or `revenue (usd)`.
    pub fn title(&self) -> String {
        match self.unit.is_empty() {
            true => self.name.clone(),
            false => format!("{} ({})", self.name, self.unit),
        }
    }

    /// For people: how many answers did not tell it, and why; `None`: all did.
    pub fn untold(&self) -> Option<String> {
        let all = [
            (self.absent, "without it"),
            (self.malformed, "with no number there"),
            (self.unread, "not read"),
        ];
        let said: Vec<String> = (all.iter().filter(|(n, _)| *n > 0))
            .map(|(n, why)| format!("{n} {why}"))
            .collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}
