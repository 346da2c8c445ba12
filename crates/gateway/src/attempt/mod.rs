//! The gates of the attempt ring: passed once for every try of a request against an instance.

pub mod balance;
pub mod breaker;
pub mod bulkhead;
pub mod deadline;
pub mod fault;
pub mod limit;
pub mod mirror;
pub mod replica;
pub mod split;
pub mod stateful;
mod turn;
