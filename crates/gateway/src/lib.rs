//! The data path: listen, route, gates, retry, balance, upstream.

pub mod attempt;
pub mod exchange;
pub mod gate;
pub mod request;
pub mod retry;
pub mod route;
#[cfg(test)]
mod testing;
pub mod upstream;

pub use exchange::{Edits, Exchange, Facts, Head, ListHead, Outgoing, Reply, ResponseHead};
pub use gate::{BodyNeed, Gate, Kept, Make, Making, Needs, Slot, Step, Ticket};
pub use upstream::{Instance, Service};
