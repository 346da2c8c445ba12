//! Arguments of the commands about objectives.

use super::AskArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SloArgs {
    #[command(subcommand)]
    pub command: Option<SloCommand>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Subcommand)]
pub enum SloCommand {
    /// Write the objectives of a config as OpenSLO, or as rules for Prometheus
    Export(ExportArgs),
    /// Take objectives from OpenSLO into the config file, keeping its comments
    Import(ImportArgs),
}

#[derive(Args)]
pub struct ExportArgs {
    /// Documents of OpenSLO, version 1
    #[arg(
        long,
        required_unless_present = "prometheus",
        conflicts_with = "prometheus"
    )]
    pub openslo: bool,
    /// Recording and alerting rules with the names that Sloth gives them
    #[arg(long)]
    pub prometheus: bool,
    /// A file, or a folder of them
    #[arg(long, default_value = "plimsoll.yaml")]
    pub config: PathBuf,
}

#[derive(Args)]
pub struct ImportArgs {
    /// OpenSLO, version 1: one or more documents
    pub file: PathBuf,
    /// The file, or the folder of them, to write to
    #[arg(long, default_value = "plimsoll.yaml")]
    pub config: PathBuf,
    /// Only show what would be written
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args)]
pub struct AlertsArgs {
    /// Those that have ended, too
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}
