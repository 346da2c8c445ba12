//! `publish`: a request becomes an event of a topic, on disk for everybody who subscribes before it is answered 202.

mod core;
mod gate;

pub use gate::make;
