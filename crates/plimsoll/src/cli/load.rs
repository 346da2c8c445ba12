//! Arguments of `plimsoll load`.

use super::{duration, share};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  plimsoll load --url http://127.0.0.1:8080/product/{1..500} --rate 200/s --duration 30s
  plimsoll load --url http://127.0.0.1:8080/ --rate 10/s --ramp-to 500/s --duration 60s
  plimsoll load --url http://127.0.0.1:8080/ --connections 64
  plimsoll load --url http://127.0.0.1:8080/order --body '{\"id\":1}' --header 'content-type: application/json' --rate 5/s
  plimsoll load --mix peak --rate 200/s --p99-below 250ms --errors-below 1%
  plimsoll load --recording rec --target 127.0.0.1:8080
  plimsoll load --url http://127.0.0.1:8080/ --find-limit --p99-below 250ms --rate-above 100/s

Latency counts from the time at which a request was meant to be sent, so a server that stalls cannot hide it.
Exit status: 0 all thresholds hold, 3 one is missed or cannot be known (or nothing was answered), 1 it could not run.
Ctrl-C ends the run early and shows what was measured.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["url", "mix", "recording"])))]
pub struct LoadArgs {
    /// One URL: http://host:port/path; ranges such as {1..500} are drawn anew each time
    #[arg(long)]
    pub url: Option<String>,
    /// With --url: the method; else GET, or POST when there is a body
    #[arg(long, requires = "url")]
    pub method: Option<String>,
    /// With --url: a header such as 'accept: text/html'; may be given more than once
    #[arg(long, requires = "url", value_parser = header, value_name = "'NAME: VALUE'")]
    pub header: Vec<(String, String)>,
    /// With --url: the body, or @FILE
    #[arg(long, requires = "url")]
    pub body: Option<String>,
    /// A mix of requests from the config's `loads`
    #[arg(long, value_name = "NAME")]
    pub mix: Option<String>,
    /// Arrival times of a recording; its routes become requests by the config's templates
    #[arg(long, conflicts_with_all = ["rate", "ramp_to", "connections", "find_limit"], value_name = "DIR")]
    pub recording: Option<PathBuf>,
    /// Config with mixes and routes
    #[arg(long, default_value = "plimsoll.yaml", value_name = "FILE")]
    pub config: PathBuf,
    /// Where to send; else the config's listen address
    #[arg(long, conflicts_with = "url", value_name = "ADDRESS")]
    pub target: Option<SocketAddr>,
    /// Open loop: requests per second, such as 200/s
    #[arg(long, value_parser = rate, value_name = "RATE")]
    pub rate: Option<f64>,
    /// The rate at the end, reached in a straight line
    #[arg(long, value_parser = rate, value_name = "RATE")]
    pub ramp_to: Option<f64>,
    /// Closed loop instead: each connection sends when its last answer has come
    #[arg(long, conflicts_with_all = ["rate", "ramp_to", "find_limit"], value_name = "N")]
    pub connections: Option<usize>,
    /// Open loop: most connections at once; requests that find none wait, and their wait counts (256 when left out)
    #[arg(long, conflicts_with = "connections", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Evenly spaced instead of independent arrivals
    #[arg(long)]
    pub even: bool,
    /// Measured time; when left out 30s, or a recording's own length. With --find-limit: of each rate, or of a ramp
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// Sent before, not measured
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "TIME")]
    pub warmup: Duration,
    /// A request is given up this long after it was due
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub timeout: Duration,
    /// Raise the rate until the share of requests within --p99-below falls below 99 %
    #[arg(long, requires = "p99_below")]
    pub find_limit: bool,
    /// With --find-limit: ramps of 15 s (within 10 %) instead of holding each rate for 60 s (within 3 %)
    #[arg(long, requires = "find_limit")]
    pub quick: bool,
    /// With --find-limit: no rate above this
    #[arg(long, default_value = "10000/s", value_parser = rate, value_name = "RATE")]
    pub max_rate: f64,
    /// With --find-limit: ends after this with what is known then
    #[arg(long, default_value = "30m", value_parser = duration, value_name = "TIME")]
    pub at_most: Duration,
    /// Threshold: p99 from the intended send time
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub p99_below: Option<Duration>,
    /// Threshold: share of failed requests, such as 1%
    #[arg(long, value_parser = share, value_name = "SHARE")]
    pub errors_below: Option<f64>,
    /// Threshold: the rate achieved, or the limit found
    #[arg(long, value_parser = rate, value_name = "RATE")]
    pub rate_above: Option<f64>,
    /// Generator threads, each with its own connections
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// The same seed sends the same requests at the same times
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A rate; on the command line a bare number is per second.
fn rate(text: &str) -> Result<f64, String> {
    let bare = text.parse::<f64>().ok().filter(|x| x.is_finite());
    bare.map_or_else(|| base::units::rate(text).map_err(|e| e.to_string()), Ok)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is not a header; write it like 'accept: text/html'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
