//! Keeps work from a service that fails: in proportion to how much of it fails, and all but probes when nothing is there.

mod account;
pub mod core;
mod gate;
mod target;

pub use self::gate::make;
pub use self::target::{OPENED, Target, WOULD_OPEN, WOULD_REFUSE};
