//! Arguments of `plimsoll streams`.

use super::AskArgs;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum StreamsAsk {
    /// How far subscriptions, projections and outboxes are, and what holds them
    Status(AskArgs),
    /// Streams and how many events they have had
    List(ListArgs),
    /// Events of a stream, or of all in their order
    Read(ReadArgs),
    /// Append one event by hand
    Append(AppendArgs),
    /// Push everything after a position to a projection again
    Replay(ReplayArgs),
}

#[derive(Args)]
pub struct ListArgs {
    /// The last name of the page before
    #[arg(long, default_value = "")]
    pub after: String,
    #[arg(long, default_value_t = 100)]
    pub limit: u64,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct ReadArgs {
    /// Else all streams
    pub stream: Option<String>,
    /// First version; without a stream, the position after which to begin
    #[arg(long)]
    pub from: Option<u64>,
    /// Newest first
    #[arg(long, requires = "stream")]
    pub back: bool,
    #[arg(long, default_value_t = 20)]
    pub limit: u64,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct AppendArgs {
    pub stream: String,
    /// What happened, such as order.placed
    #[arg(long = "type")]
    pub kind: String,
    /// JSON
    #[arg(long)]
    pub data: Option<String>,
    /// Its name: appended again, it is not stored again
    #[arg(long)]
    pub id: Option<String>,
    #[arg(long)]
    pub subject: Option<String>,
    /// How many events the stream has; any number when left out
    #[arg(long)]
    pub expect: Option<u64>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct ReplayArgs {
    pub projection: String,
    /// Everything after this position
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// Events per second, at most
    #[arg(long)]
    pub rate: Option<f64>,
    #[command(flatten)]
    pub ask: AskArgs,
}
