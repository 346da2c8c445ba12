//! Recordings: a folder of two CSV files and a few small ones that may say more. The format is open; `docs/recording.md`
//! describes it. What Plimsoll writes and what people make from their own logs is read the same way.

mod describe;
#[cfg(test)]
mod example_test;
mod faults;
mod names;
mod progress;
mod read;
mod requests;
mod row;
mod signals;
mod table;
#[cfg(test)]
mod tests;
mod usage;
mod uses;
mod write;
mod yaml;

pub use describe::{RouteMeta, shell_from_names, write_descriptions};
pub use faults::Faults;
pub use progress::{Ending, Progress, Stage};
pub use read::{Recording, read};
pub use write::{Describe, Limits, Recorder};

/// Version of the format, written to `meta.yaml`.
pub const FORMAT: u32 = 1;
/// The longest stretch that is read, seconds; of a longer recording the end is taken.
pub const SPAN_S: u64 = 4 * 3600;
/// Latest arrival and longest duration that can be seconds.
pub const LATEST_S: f64 = 1e10;
pub const LONGEST_S: f64 = 1e7;
/// Largest file read, bytes.
pub const MAX_BYTES: u64 = 4 << 30;
/// Most rows of `usage.csv`.
pub const USAGE_ROWS: usize = 2_000_000;

pub const REQUESTS: &str = "requests.csv";
pub const USAGE: &str = "usage.csv";
pub const USES: &str = "uses.csv";
/// What the kernel told of resources beside their use.
pub const SIGNALS: &str = "signals.csv";
pub const STATEMENTS: &str = "statements.json";
/// How routes work, as spans showed it.
pub const TRACED: &str = "traced.json";
pub const RESOURCES: &str = "resources.yaml";
pub const SLO: &str = "slo.yaml";
pub const META: &str = "meta.yaml";
