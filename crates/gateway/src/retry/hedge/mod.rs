//! Hedging: a safe request that is late gets a second attempt at another instance, within a cap on the extra load. What
//! decides is here; the attempts race in `connection/hedge.rs`.

mod core;
mod gate;
mod latency;
mod pace;

pub use self::core::{Cap, State, Why, decide};
pub use self::gate::{FAILED, Hedging, REFUSED, SENT, WON};
pub use self::latency::Latency;
pub use self::pace::Paces;
