//! The gates of the request ring: passed once for every request of a client.

pub mod cache;
pub mod coalesce;
pub mod degrade;
pub mod rate;
pub mod trace;
