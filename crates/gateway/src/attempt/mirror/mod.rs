//! Copies of safe requests for another service, beside the path, and what came of comparing the answers.

mod core;
mod gate;
mod run;
mod shared;

pub use self::gate::make;
pub use self::run::Line;
pub(crate) use self::run::start;
pub use self::shared::{Counts, Mirrored};
