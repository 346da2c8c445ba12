//! Whether an instance may be used: active checks, and ejection after failures of real requests.

mod core;
mod members;
mod shared;

pub use self::core::{Check, Ejection, Event, Peers, State};
pub use self::members::Members;
pub use self::shared::{Group, Health};
