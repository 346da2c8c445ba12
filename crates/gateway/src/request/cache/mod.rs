//! Answers safe requests from memory: a shared cache as RFC 9111 describes it, without heuristics.
//! Not yet here: revalidation with the instance, ranges from stored responses, and coalescing of misses in flight.

pub mod control;
pub mod core;
mod date;
mod gate;
#[cfg(test)]
mod gate_tests;
mod marks;
mod store;
#[cfg(test)]
mod tests;

pub use self::gate::make;
pub use self::marks::Marks;
pub use self::store::{Counts, Entry, Found, Store};
