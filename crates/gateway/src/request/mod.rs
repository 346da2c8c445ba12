//! The gates of the request ring: passed once for every request of a client.

pub mod cache;
pub mod rate;
pub mod trace;
