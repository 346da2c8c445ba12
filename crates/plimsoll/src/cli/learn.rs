//! Arguments of the commands that ask the model: live, or offline from a recording.

use super::AskArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where the traffic to learn from is.
#[derive(Args, Clone)]
pub struct SourceArgs {
    /// Folder of a recording (requests.csv, usage.csv), instead of asking a running Plimsoll
    #[arg(long)]
    pub recording: Option<PathBuf>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct DiagnoseArgs {
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Args)]
pub struct AdviseArgs {
    /// Entry requests per second to carry, for a recording; else 1.5 times its own
    #[arg(long, requires = "recording")]
    pub target: Option<f64>,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Args)]
pub struct WhatifArgs {
    /// Changes, such as 'cache product ttl=10s' or 'traffic checkout x3, replica front 2'
    pub question: String,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Args)]
pub struct ImportArgs {
    /// What wrote the log
    pub format: LogFormat,
    /// The access log
    pub file: PathBuf,
    /// Folder of the recording to write
    #[arg(long)]
    pub out: PathBuf,
    /// Where the requests of the log go
    #[arg(long, default_value = "service")]
    pub service: String,
    /// What was done as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Combined format, with $request_time and $upstream_addr where logged
    Nginx,
    NginxJson,
    Envoy,
    Alb,
}

#[derive(Args)]
pub struct ForecastArgs {
    /// Peaks of traffic as time_s,rate rows of a CSV file (seconds since 1970, entry requests per second), such as
    /// one per day out of your metrics; else the recording's own
    #[arg(long)]
    pub rates: Option<PathBuf>,
    /// The load line in entry requests per second; else that of the recording or of the running Plimsoll
    #[arg(long)]
    pub line: Option<f64>,
    #[command(flatten)]
    pub source: SourceArgs,
}
