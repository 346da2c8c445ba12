//! Arguments of `plimsoll doctor`.

use super::ConfigArgs;
use clap::Args;

#[derive(Args)]
pub struct DoctorArgs {
    /// What the engines keep must outlive a power cut: it is wrong when its settings do not give that
    #[arg(long)]
    pub durable: bool,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}
