//! The data path: listen, route, gates, retry, balance, upstream.
//!
//! [`Gateway::start`] takes a generation and gives samples. Per thread: a runtime, a listener on the shared port, client
//! and upstream connections, timers, a sample ring. Shared, as atomics: what is in flight, health, latency averages,
//! retry budgets; as sharded maps: the cache and the rate limits' keys. All of that survives a new generation by name.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod access;
mod acme;
pub mod attempt;
mod caches;
mod calendar;
pub mod connection;
pub mod exchange;
mod files;
pub mod gate;
mod gauges;
mod hash;
pub mod head;
mod http2;
pub mod jobs;
mod learn;
mod listen;
mod looks;
mod open;
pub mod proxy_protocol;
mod recent;
pub mod replicas;
pub mod request;
pub mod retry;
pub mod ring;
pub mod route;
mod runtime;
mod share;
pub mod snapshot;
pub mod state;
mod tally;
mod tap;
#[cfg(test)]
mod testing;
mod timing;
pub mod tls;
pub mod topics;
mod tunnel;
pub mod upstream;
mod wheel;
mod worker;

pub use acme::Standing;
pub use exchange::{Edits, Exchange, Facts, Head, ListHead, Outgoing, Reply, ResponseHead};
pub use files::check;
pub use gate::{
    BodyNeed, Gate, Hold, Kept, Make, Making, Needs, Settle, Slot, Step, Ticket, Transform,
    Transformed,
};
pub use gauges::{CompressGauge, Gauges, LimitGauge, PoolGauge, RateGauge, TenantGauge};
pub use listen::SocketFile;
pub use request::cache::{DiskGauge, SecondGauge};
pub use runtime::{Drained, Gateway, Options};
pub use tally::{Decision, Tally};
pub use upstream::{Instance, Service};
