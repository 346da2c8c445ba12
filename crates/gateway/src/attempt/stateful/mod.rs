//! Finds routes whose instances keep sessions in their memory: what one instance has answered well is asked again, of it and
//! of another one, beside the path.

mod core;
mod gate;
mod run;
mod watched;

pub use self::core::{Evidence, Verdict};
pub use self::gate::make;
pub use self::watched::{Finding, Watched};
