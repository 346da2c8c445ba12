//! Which database an attempt reads from: the primary for what changes data or must be new, a replica for what may be as old as
//! it is. `core` decides, `gate` waits, says it to the service, and has `balance` ask an instance that reads from there.

pub mod core;
mod gate;

pub use gate::{NAMES, make};
