//! Rows that an application writes in its own transaction become events of a stream or jobs of a route, and are deleted then.
//!
//! Locked, taken in (durable), deleted: a crash in between leaves rows that were taken before, which their ids tell, so that each
//! row is there exactly once. `plan` says what is asked of the database (pure), `relay` does it.

mod plan;
mod relay;

pub use plan::Request;
pub use relay::{Connect, Parts, Standing, Take, relay};
