//! Arguments of `plimsoll load`.

use super::{duration, share};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["url", "mix", "recording"])))]
pub struct LoadArgs {
    /// One URL: http://host:port/path; ranges such as {1..500} are drawn anew each time
    #[arg(long)]
    pub url: Option<String>,
    /// A mix of requests from the config's `load`
    #[arg(long)]
    pub mix: Option<String>,
    /// Arrival times of a recording; its routes become requests by the config's templates
    #[arg(long, conflicts_with_all = ["rate", "ramp_to", "connections", "find_limit"])]
    pub recording: Option<PathBuf>,
    /// Config with mixes and routes
    #[arg(long, default_value = "plimsoll.yaml")]
    pub config: PathBuf,
    /// Where to send; else the config's listen address
    #[arg(long, conflicts_with = "url")]
    pub target: Option<SocketAddr>,
    /// Open loop: requests per second, such as 200/s
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// The rate at the end, reached in a straight line
    #[arg(long, value_parser = rate)]
    pub ramp_to: Option<f64>,
    /// Closed loop instead: each connection sends when its last answer has come
    #[arg(long, conflicts_with_all = ["rate", "ramp_to", "find_limit"])]
    pub connections: Option<usize>,
    /// Evenly spaced instead of independent arrivals
    #[arg(long)]
    pub even: bool,
    /// Measured time, such as 30s; a recording's own length when left out
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Sent before, not measured
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// A request is given up this long after it was due
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Raise the rate until the share of requests within --p99-below falls below 99 %
    #[arg(long, requires = "p99_below")]
    pub find_limit: bool,
    /// With --find-limit: one ramp of 15 s (within 10 %) instead of holding each rate for 60 s (within 3 %)
    #[arg(long, requires = "find_limit")]
    pub quick: bool,
    /// With --find-limit: no rate above this
    #[arg(long, default_value = "10000/s", value_parser = rate)]
    pub max_rate: f64,
    /// With --find-limit: ends after this with what is known then
    #[arg(long, default_value = "30m", value_parser = duration)]
    pub at_most: Duration,
    /// Threshold: p99 from the intended send time
    #[arg(long, value_parser = duration)]
    pub p99_below: Option<Duration>,
    /// Threshold: share of failed requests, such as 1%
    #[arg(long, value_parser = share)]
    pub errors_below: Option<f64>,
    /// Threshold: the rate achieved, or the limit found
    #[arg(long, value_parser = rate)]
    pub rate_above: Option<f64>,
    #[arg(long)]
    pub threads: Option<usize>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long)]
    pub json: bool,
}

/// A rate; on the command line a bare number is per second.
fn rate(text: &str) -> Result<f64, String> {
    let bare = text.parse::<f64>().ok().filter(|x| x.is_finite());
    bare.map_or_else(|| base::units::rate(text).map_err(|e| e.to_string()), Ok)
}
