//! What a route answers to reads when its service fails or must not be asked: a declared ladder, best rung first.

mod core;
mod gate;

pub use self::gate::make;
