//! Samples into windows, histograms, history, probes, exporters, recordings.
//!
//! `collect` drains the rings of the traffic threads once in a while, `roll` turns samples into windows of one
//! second, `probes` add what each resource did in the same second, `history` keeps the last hour. `recording` is
//! the same on disk, `import` makes recordings from access logs, `prometheus` writes the text that others scrape.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod answers;
pub mod collect;
pub mod ghost;
pub mod history;
pub mod import;
pub mod probes;
pub mod prometheus;
pub mod recording;
pub mod roll;
pub mod totals;

pub use collect::{Heard, Setup, Stats, Telemetry};
pub use history::{Recent, Shell};
pub use probes::{InstanceTarget, PoolGauge, ProbeNote, Targets};
pub use recording::{Recorder, Recording, shell_from_names};
pub use roll::{Bounds, Roller};
pub use totals::Totals;
