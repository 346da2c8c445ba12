//! Arguments of `plimsoll jobs`.

use super::AskArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum JobsAsk {
    /// Every route that takes jobs: how many wait, how fast they are delivered, and why not faster
    Status(AskArgs),
    /// Jobs of a route: waiting, leased, behind, done, dead or cancelled
    List(ListArgs),
    /// Jobs by the calendar: when each is due next
    Cron(AskArgs),
    /// One job, and what it was answered
    Show(ShowArgs),
    /// Cancel a job that has not ended
    Cancel(JobArgs),
    /// Have a dead job, or those of a route, delivered again; a job also with another body
    Redrive(RedriveArgs),
    /// Cancel a dead job, or those of a route, for good
    Discard(DeadArgs),
    /// Deliver no more jobs of a route, at all nodes that share them; they are still accepted
    Pause(RouteArgs),
    /// Go on with them
    Resume(RouteArgs),
}

#[derive(Args)]
pub struct ListArgs {
    pub route: String,
    #[arg(long, default_value = "waiting")]
    pub state: String,
    /// The number before the dash of the last id of the page before, as it stands there
    #[arg(long)]
    pub after: Option<String>,
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct JobArgs {
    pub id: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub job: JobArgs,
    /// Write the body that it carries to standard output, and nothing else
    #[arg(long)]
    pub body: bool,
}

#[derive(Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub filter: Filter,
    /// So many per second; else all at once, as fast as they are delivered
    #[arg(long, requires = "route")]
    pub rate: Option<f64>,
    /// With the body of this file (`-`: standard input) instead, as a new job; the dead one is discarded
    #[arg(long, requires = "id", value_name = "FILE")]
    pub body: Option<PathBuf>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct DeadArgs {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub filter: Filter,
    #[command(flatten)]
    pub ask: AskArgs,
}

/// One dead job, or those of a route.
#[derive(Args)]
#[group(id = "which", required = true, multiple = false)]
pub struct Which {
    pub id: Option<String>,
    #[arg(long)]
    pub route: Option<String>,
}

#[derive(Args)]
pub struct Filter {
    /// Of the route those whose reason has this text in it
    #[arg(long, requires = "route")]
    pub reason: Option<String>,
    /// Of the route those whose method and path have this text in them
    #[arg(long, requires = "route")]
    pub request: Option<String>,
}

#[derive(Args)]
pub struct RouteArgs {
    pub route: String,
    #[command(flatten)]
    pub ask: AskArgs,
}
