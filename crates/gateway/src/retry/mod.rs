//! The hinge between the rings: whether a failed attempt is tried again, and when.

mod budget;
mod core;

pub use self::budget::Budget;
pub use self::core::{Failure, Go, Request, Why, backoff, decide, retry_after};
