//! Failures made on purpose: which attempts they strike and what goes wrong. They end by themselves.

pub mod core;
mod gate;

pub use self::core::{End, Pace, What};
pub use self::gate::make;
