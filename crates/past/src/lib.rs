//! Counts of the past, without I/O: kept in slots of 10 s for three hours and of 5 min for weeks, read by range and
//! step, and asked for in a part of PromQL. The time is passed in, milliseconds since the Unix epoch.
//!
//! `metric` is the list of what is kept, `column` one series in few bytes, `tier` all series at one length of slot,
//! `past` both tiers together, `row` what a store keeps of them, `read` samples by time, `chart` steps, `seen` sums of a metric, `worth` sums of the business, `promql` the questions.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod chart;
mod column;
pub mod metric;
mod past;
pub mod promql;
mod read;
pub mod row;
mod seen;
mod tier;
mod varint;
mod worth;

pub use base::Worth;
pub use base::grain::{COARSE_MS, FINE_MS, Grain};
pub use chart::Step;
pub use metric::{Keep, Metric, Series};
pub use past::{Bounds, FINE_KEEP_MS, Oldest, Past, Summary};
pub use read::{Found, Group, LOOKBACK_MS, Times};
pub use row::Row;
pub use seen::Sum;
pub use worth::decimal;

/// Series at most, buckets of latency among them; more are not kept.
pub const MAX_SERIES: usize = 65_536;
