//! Limits how much may be asked for in a day or a month: counted in a store, so that a restart forgets nothing and several
//! nodes have one quota.

mod ask;
mod book;
pub mod core;
mod gate;
mod run;
mod scope;
#[cfg(test)]
mod tests;

pub use self::book::{Quotas, Shown, Used};
pub use self::gate::make;
pub use self::run::start;
