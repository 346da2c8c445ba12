//! Arguments of `plimsoll topics`.

use super::AskArgs;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum TopicsAsk {
    /// Every topic and its subscriptions: how much waits, how fast it is delivered, and why not faster
    Status(AskArgs),
    /// Events of a subscription: dead, waiting, leased or behind
    List(EventsArgs),
    /// Have all dead events of a subscription delivered again
    Redrive(OfArgs),
    /// Push no more events to a subscription; they are still taken
    Pause(OfArgs),
    /// Go on with them, with a webhook that was disabled, too
    Resume(OfArgs),
}

#[derive(Args)]
pub struct EventsArgs {
    pub topic: String,
    pub subscription: String,
    #[arg(long, default_value = "dead")]
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
pub struct OfArgs {
    pub topic: String,
    pub subscription: String,
    #[command(flatten)]
    pub ask: AskArgs,
}
