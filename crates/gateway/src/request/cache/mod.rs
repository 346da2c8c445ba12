//! Answers safe requests from memory: a shared cache as RFC 9111 describes it, without heuristics.
//! Not yet here: revalidation with the instance, and ranges from stored responses.

pub mod control;
pub mod core;
mod date;
mod gate;
#[cfg(test)]
mod gate_tests;
mod marks;
mod shelf;
mod store;
#[cfg(test)]
mod tests;

pub use self::gate::make;
pub use self::marks::Marks;
pub use self::shelf::{Shelf, answer};
pub use self::store::{Counts, Entry, Found, Store};
