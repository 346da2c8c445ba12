//! Ties exchanges together: W3C `traceparent` in and out, and the route that caused a call.

pub mod core;
mod gate;

pub use self::gate::make;
