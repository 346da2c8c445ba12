//! Arguments of `plimsoll backup` and `plimsoll restore`.

use super::ConfigArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct BackupArgs {
    /// A folder that is not there yet
    #[arg(long)]
    pub to: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// A folder that `plimsoll backup` has written
    #[arg(long)]
    pub from: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgs,
}
