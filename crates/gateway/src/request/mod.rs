//! The gates of the request ring: passed once for every request of a client.

pub mod business;
pub mod cache;
pub mod coalesce;
pub mod compress;
pub mod consistency;
pub mod degrade;
pub mod idempotency;
pub mod identity;
pub mod policy;
pub mod projection;
pub mod publish;
pub mod quota;
pub mod rate;
pub mod respond_async;
pub mod session;
pub mod shed;
pub mod trace;
