//! Which side of a canary a request is on: sticky per user, and monotone as the share grows.

pub mod core;
mod gate;

pub use self::core::{Split, cookie};
pub use self::gate::{arm_of, who_asks};
