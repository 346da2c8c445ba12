//! Arguments of `plimsoll routes`.

use super::AskArgs;
use clap::Args;

#[derive(Args)]
pub struct RoutesArgs {
    /// One of them, with what a request uses and what gates did; else all are listed
    pub name: Option<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}
