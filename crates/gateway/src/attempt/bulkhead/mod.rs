//! A service's limit in weighted parts, one for each of its routes; what is idle is lent.

mod core;
mod gate;
mod part;
mod seats;

pub use self::gate::make;
