//! Limits how often a route may be asked: GCRA per key, over all traffic threads.

pub mod core;
mod gate;
pub mod table;

pub use self::gate::{Counts, make};
