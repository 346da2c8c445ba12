//! The shared vocabulary: units, names, time, what is measured, what is found.
//! No async, no I/O, no dependency on any other crate of the workspace.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod amount;
pub mod buckets;
pub mod class;
pub mod clock;
pub mod details;
pub mod escape;
pub mod finding;
pub mod grain;
pub mod histogram;
pub mod history;
pub mod keep;
pub mod learned;
pub mod names;
pub mod number;
pub mod sample;
pub mod secret;
pub mod server_timing;
pub mod signal;
pub mod statement;
pub mod trace;
pub mod traced;
pub mod units;
pub mod window;
pub mod worth;

pub use amount::Amount;
pub use class::{Class, Discipline, Grade, Scope};
pub use clock::Nanos;
pub use details::{Decided, Details};
pub use finding::{Finding, Severity, Spot};
pub use grain::Grain;
pub use histogram::Histogram;
pub use history::{History, Incident, Objective, ResourceInfo, RouteInfo};
pub use learned::{Learned, Protection};
pub use names::{InstanceIx, Interner, Names, ResourceIx, RouteIx};
pub use sample::{Arm, CacheState, Outcome, Sample, SampleKind, Use};
pub use signal::{Signal, SignalCell};
pub use statement::{Scan, Statement};
pub use traced::Traced;
pub use window::{Cell, CellKey, ResourceCell, Window};
pub use worth::Worth;
