//! Rows that an application writes in its own transaction become events of a stream, and are deleted then.
//!
//! Locked, appended (durable), deleted: a crash in between leaves rows that are appended before, which their ids tell, so that each
//! row is in the stream exactly once. `plan` says what is asked of the database (pure), `relay` does it.

mod plan;
mod relay;

pub use relay::{Connect, Standing, relay};
