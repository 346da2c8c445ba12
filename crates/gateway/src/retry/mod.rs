//! The hinge between the rings: whether a failed attempt is tried again, and when; whether a late one gets a rival.

mod budget;
mod core;
mod gate;
pub mod hedge;

pub use self::budget::Budget;
pub use self::core::{ATTEMPT, Failure, Go, Request, Why, backoff, decide};
pub use self::gate::{Hinge, asked};
