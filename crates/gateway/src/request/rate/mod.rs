//! Limits how often a route may be asked: GCRA per key, over all traffic threads, and over all nodes where an engine counts.

pub mod core;
mod gate;
pub mod shared;
pub mod table;
pub mod who;

pub use self::gate::{Counts, make, seconds_up};
pub use self::shared::Shared;
