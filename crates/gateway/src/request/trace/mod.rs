//! Ties exchanges together: W3C `traceparent` in and out (B3 too, where the caller speaks that), and the route and arm
//! that caused a call.

pub mod b3;
pub mod core;
mod gate;

pub use self::gate::{arm_of_caller, make, spans};
