//! Who asks, and how much it matters: read once from headers, for the gates that treat requests differently.

mod core;
mod gate;

pub use self::gate::make;
