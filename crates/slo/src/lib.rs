//! Objectives and alerts, without I/O: what counts against an objective, how much error budget is left, when
//! somebody is told, and in which form. The time is passed in, milliseconds since the Unix epoch.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod alert;
pub mod bound;
pub mod burn;
pub mod counts;
pub mod keep;
pub mod machine;
pub mod metrics;
pub mod notify;
pub mod objective;
pub mod openslo;
pub mod outage;
mod ring;
pub mod rules;
pub mod status;
mod tracked;
pub mod watch;
pub mod yaml;

pub use alert::{Alert, Severity, State};
pub use counts::{Count, Counts, Sum};
pub use objective::{Kind, Objective, Scope, objectives};
pub use status::SloStatus;
pub use watch::{Change, Tick, Watch};

/// Chance of a false page (and of a false ticket) for one objective within one of its windows, while the share of
/// bad answers is exactly what the objective allows. Each rule has an equal part of it.
pub const ALPHA: f64 = 0.05;
/// The four burn rules and the outage rule.
pub(crate) const ALPHA_PER_RULE: f64 = ALPHA / 5.0;
