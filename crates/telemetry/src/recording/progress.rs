//! How a recording stands, for the people who wait for it.

use base::Finding;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a recording is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Requests that arrive now are part of it.
    #[default]
    Taking,
    /// Its time is over; what resources did in its last seconds is known only when their windows close.
    Closing,
    Ended,
}

/// Why it ended, or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its time is over.
    Time,
    /// Somebody asked for the end.
    Asked,
    /// Its limit of bytes is reached.
    Size,
    /// The disk failed.
    Disk,
    /// Plimsoll itself was stopped.
    Stopped,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub folder: PathBuf,
    pub stage: Stage,
    pub ending: Option<Ending>,
    /// Seconds it covers so far; the end of it when it has ended.
    pub seconds: u64,
    /// Seconds it will cover.
    pub of_s: u64,
    /// Rows of `requests.csv` and of `usage.csv`.
    pub requests: u64,
    pub usage: u64,
    pub bytes: u64,
    /// Requests of its time that are not in it because telemetry could not keep up.
    pub lost: u64,
    /// What the disk said, when it failed.
    pub fault: Option<Finding>,
}
