//! The OTLP receiver, the evidence that spans give, and what is sent to a collector.
//!
//! `receive` speaks OTLP over HTTP and gRPC, `decode` makes our own small [`Span`] of what comes, `traces` holds spans
//! until their trace is whole, and `evidence` ties them to the gateway's requests: by the span id that the gateway
//! gave out as their parent. `export` makes spans and metrics of our own samples, and requests of those. Nothing of this is on the data path.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod act;
pub mod decode;
pub mod evidence;
pub mod export;
mod receive;
mod shape;
mod span;
mod traces;

pub use evidence::{Counts, Evidence, Note, Probed};
pub use receive::{Keeper, Options, Receiver};
pub use span::{Act, Span};
