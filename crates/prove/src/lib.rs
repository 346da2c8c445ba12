//! Load generator, limit finder, verdicts: attacks over the wire only.
//!
//! Latency is measured from the time at which a request was meant to be sent, so a server that stalls
//! cannot make the generator wait politely (no coordinated omission); the time from the actual send stands
//! beside it. When the generator itself was the bottleneck, the report says so and withholds its tail.
//!
//! * [`run`]: carry out a [`Plan`], get a [`Report`].
//! * [`verdict`]: hold a report against [`Thresholds`].
//! * [`find_limit`]: the highest rate that still meets the SLO.
//!
//! All of them block their thread; call them from one of your own (`spawn_blocking`).

mod connection;
mod generator;
pub mod limit;
pub mod own;
pub mod plan;
pub mod record;
pub mod recording;
pub mod report;
pub mod request;
mod run;
pub mod schedule;
pub mod target;
mod timer;
pub mod verdict;

pub use limit::{FindLimit, Held, Limit, Mode, Search, Step, Stopped, find_limit};
pub use plan::{Arrivals, Goal, Plan, PlanError, Process};
pub use record::Timeline;
pub use recording::{RecordingError, Replay, replay};
pub use report::{KindReport, Report, Summary};
pub use run::{Flow, Progress, run};
pub use target::Url;
pub use verdict::{Check, Thresholds, Verdict, verdict};
