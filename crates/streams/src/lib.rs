//! Streams of events for services, in one order: append with what is expected, read, subscribe with a checkpoint
//! that is kept here; rows of an outbox become events (`outbox`), and events are pushed to services (`projection`).
//!
//! `event` is how an event is kept and given back (pure; what it is on the wire `cloudevents` knows), `place` the store and who waits for news of it, `subscription`
//! the checkpoints, `api` the answers to services.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

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

pub use event::{BATCH, batch, keep_json};
pub use place::{Fault, Leads, Place, Store};
pub use retention::retain;
pub use subscription::{Batch, Subscription};
