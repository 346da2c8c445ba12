//! What requests cost: prices shared by use, what is idle apart, and sums that are exactly the bill.
//!
//! `price` reads the config, `seen` sums up windows and the fitted demands, `share` makes a [`Slot`] of both, `book`
//! keeps slots, `report` says them in whole micro-dollars, and `unit` says
//! what one order costs, with its `trend`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod anomaly;
mod book;
pub mod explain;
pub mod focus;
pub mod opencost;
mod price;
mod report;
mod seen;
mod share;
mod slot;
mod span;
pub mod trend;
pub mod unit;

pub use book::{Book, Grain, HOURS, MINUTES};
pub use price::{Kind, Price, prices};
pub use report::{By, ItemRow, OTHER, Report, Row, report};
pub use seen::{Column, RouteSeen, Seen, seen};
pub use share::{charge, share};
pub use slot::{Askers, Item, MAX_ASKERS, Part, Slot};
pub use span::{Span, span};

/// Amounts that people see are whole micro-dollars: their sums are exact.
pub const MICRO: f64 = 1e6;
