//! Whether an instance may be used: active checks, ejection after failures of real requests, and of outliers.

mod core;
mod members;
mod outlier;
mod shared;
mod watch;

pub use self::core::{Check, Ejection, Event, Peers, State};
pub use self::members::Members;
pub use self::outlier::Usual;
pub use self::shared::{Group, Health};
pub use self::watch::Watch;
