//! Whom to refuse when a service's limit is full: who matters least, and of those always the same.

mod core;
mod gate;

pub use self::gate::make;
