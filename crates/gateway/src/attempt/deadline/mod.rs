//! How long an attempt may take to its first byte, and what of the client's own deadline travels on.

pub mod core;
mod gate;

pub use self::gate::make;
