//! Which instance gets an attempt: the cheaper of two, by latency and by what it already has in flight; in the gateway's
//! own zone, where zones are told; or the one that a key belongs to.

pub mod core;
mod gate;
mod hashed;
mod key;
pub mod load;
mod pace;
mod table;
mod zone;

pub use self::gate::make;
