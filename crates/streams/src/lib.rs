//! Streams of events for services, in one file with one order: append with what is expected, read, subscribe with a checkpoint
//! that is kept here; rows of an outbox become events (`outbox`), and events are pushed to services (`projection`).
//!
//! `event` is what an event is on the wire and on the disk (pure), `place` the store and who waits for news of it, `subscription`
//! the checkpoints, `api` the answers to services.

pub mod api;
mod event;
pub mod outbox;
mod percent;
mod place;
pub mod projection;
mod retention;
mod subscription;
#[cfg(test)]
mod tests;

pub use event::{BATCH, Event, batch};
pub use place::{Fault, Place, Store};
pub use retention::retain;
pub use subscription::{Batch, Subscription};
