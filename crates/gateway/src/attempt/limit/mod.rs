//! How much work a service may hold at once: permits, a bounded wait for one, and exact accounting of what is in flight.

pub mod core;
mod gate;
mod gradient;
mod latency;
mod permit;
mod price;
mod queue;

pub use self::gate::make;
pub use self::permit::{Acquire, Ask, Counts, Limiter, Permit};
pub use self::price::{Cost, Price};
pub use self::queue::{Queue, TIERS, tier};
