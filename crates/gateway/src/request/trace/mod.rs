//! Ties exchanges together: W3C `traceparent` in and out, and the route and arm that caused a call.

pub mod core;
mod gate;

pub use self::gate::{arm_of_caller, make, spans};
