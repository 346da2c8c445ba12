//! What is sent to a collector: spans of the requests that are kept, and metrics. Pure; time and randomness are passed in.
//!
//! `tail` decides at the end of a request whether its trace is kept, `spans` makes spans of it, `meter` counts durations under
//! the names of the semantic conventions, `page` takes over what the metrics page has, `encode` writes requests of OTLP,
//! `lane` holds the one that is on its way, `retry` says what to do when it was not taken, and `answer` reads what was said.

mod answer;
mod encode;
mod lane;
pub mod message;
mod meter;
mod page;
mod retry;
mod spans;
mod tail;

pub use answer::{Said, grpc, partial, short};
pub use encode::{framed, metrics, packed, traces};
pub use lane::{Counts, Lane, Told};
pub use message::{Attributes, Data, Exemplar, Metric, Point, Resource, Sent, Spread, Value};
pub use meter::Meter;
pub use page::from_text;
pub use spans::{Words, method, spans};
pub use tail::{Exchange, Rules, Tail, Why};
