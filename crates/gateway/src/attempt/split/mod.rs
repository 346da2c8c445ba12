//! Which side of a canary a request is on: sticky per user, and monotone as the share grows.

pub mod core;
