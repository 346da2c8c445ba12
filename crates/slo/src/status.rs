//! How an objective stands, for tables, pages and metrics.

use crate::machine::Standing;
use crate::{Objective, Severity, Sum};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Windows whose shares are shown, with the names that Sloth gives them.
pub const WINDOWS: [(&str, Duration); 7] = [
    ("5m", Duration::from_secs(300)),
    ("30m", Duration::from_secs(1800)),
    ("1h", Duration::from_secs(3600)),
    ("2h", Duration::from_secs(7200)),
    ("6h", Duration::from_secs(21_600)),
    ("1d", Duration::from_secs(86_400)),
    ("3d", Duration::from_secs(259_200)),
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloStatus {
    #[serde(flatten)]
    pub objective: Objective,
    pub promise: String,
    /// Answers in the window of the objective.
    pub answers: Sum,
    /// Answers since this process began.
    pub ever: Sum,
    /// Share of good ones; `None`: there were none.
    pub good: Option<f64>,
    /// Of the error budget; 1 when untouched, negative when overdrawn.
    pub budget_left: f64,
    /// Times too fast in the last 5 minutes and in the last hour.
    pub burn_5m: f64,
    pub burn_1h: f64,
    /// Share of bad answers by window, in the order of `WINDOWS`.
    pub bad: Vec<f64>,
    pub page: Standing,
    pub ticket: Standing,
    /// Answers until it is known whether what looks like a burn is one.
    pub needs: Option<u64>,
}

impl SloStatus {
    /// Share of good answers, cut so that it never looks better than it is.
    pub fn shown_good(&self) -> String {
        self.good.map_or("-".into(), |g| {
            format!("{:.3} %", (g * 1e5 + 1e-6).floor() / 1e3)
        })
    }

    /// What the table says of its alerts.
    pub fn alert(&self) -> String {
        let word = |s: Severity, standing| match standing {
            Standing::Quiet => None,
            Standing::Firing => Some(format!("{} firing", s.word())),
            Standing::Pending => Some(match self.needs {
                Some(n) => format!("{} pending: sure after {n} more answers", s.word()),
                None => format!("{} pending", s.word()),
            }),
        };
        let page = word(Severity::Page, self.page);
        page.or(word(Severity::Ticket, self.ticket))
            .unwrap_or_else(|| "quiet".into())
    }
}

/// Share of the error budget that is left.
pub fn budget_left(o: &Objective, answers: Sum) -> f64 {
    1.0 - answers.share() / o.allowed()
}
