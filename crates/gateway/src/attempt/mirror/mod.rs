//! Copies of safe requests for another service, beside the path, and what came of comparing the answers.

mod budget;
mod core;
mod gate;
mod question;
mod run;
mod shared;

pub(super) use self::budget::{Budget, Seat};
pub(super) use self::core::Answer;
pub use self::gate::make;
pub(super) use self::question::{may_be_copied, question};
pub use self::run::Line;
pub(super) use self::run::ask;
pub(crate) use self::run::start;
pub use self::shared::{Counts, Mirrored};
