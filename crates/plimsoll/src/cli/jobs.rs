//! Arguments of `plimsoll jobs`.

use super::AskArgs;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum JobsAsk {
    /// Every route that takes jobs: how many wait, how fast they are delivered, and why not faster
    Status(AskArgs),
    /// Jobs of a route: waiting, leased, behind, done, dead or cancelled
    List(ListArgs),
    /// Jobs by the calendar: when each is due next
    Cron(AskArgs),
    /// One job, and what it was answered
    Show(JobArgs),
    /// Cancel a job that has not ended
    Cancel(JobArgs),
    /// Have a dead job, or all dead jobs of a route, delivered again
    Redrive(RedriveArgs),
    /// Deliver no more jobs of a route; they are still accepted
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
#[group(id = "which", required = true, multiple = false, args = ["id", "route"])]
pub struct RedriveArgs {
    pub id: Option<String>,
    #[arg(long)]
    pub route: Option<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct RouteArgs {
    pub route: String,
    #[command(flatten)]
    pub ask: AskArgs,
}
