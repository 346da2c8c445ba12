//! Limits how often a route may be asked: GCRA per key, over all traffic threads.

pub mod core;
pub mod table;
