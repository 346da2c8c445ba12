//! Which instance gets an attempt: the cheaper of two, by latency and by what it already has in flight.

pub mod core;
mod gate;
pub mod load;

pub use self::gate::make;
