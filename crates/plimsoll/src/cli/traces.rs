//! Arguments of `plimsoll traces`.

use super::{AskArgs, duration};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub struct TracesArgs {
    /// One of them, as `traceparent` and the access log write it; else they are listed
    pub id: Option<String>,
    /// Of this route
    #[arg(long, conflicts_with = "id")]
    pub route: Option<String>,
    /// With this status: 503, 5xx, or error (those that broke off, too)
    #[arg(long, conflicts_with = "id")]
    pub status: Option<String>,
    /// Took at least so long, such as 250ms
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "id")]
    pub min: Option<Duration>,
    /// Began at most so long ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "id")]
    pub since: Option<Duration>,
    /// How many at most
    #[arg(long, default_value_t = 50, conflicts_with = "id", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    #[command(flatten)]
    pub ask: AskArgs,
}
