//! Which side of a canary a request is on, and which of several services answers it: sticky per user, and monotone as
//! shares grow.

pub mod core;
mod gate;
mod parts;

pub use self::core::{Split, cookie};
pub use self::gate::{arm_of, who_asks};
pub use self::parts::Parts;
