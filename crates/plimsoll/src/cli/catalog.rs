//! Arguments of the commands about the catalog: `catalog`, `who`, `runbook`, `incident`.

use super::{AskArgs, duration, instant};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// Where the catalog is.
#[derive(Args, Clone)]
pub struct PlaceArgs {
    /// Its folder; else the config's `catalog`, else `catalog` beside the config
    #[arg(long, value_name = "DIR", env = "PLIMSOLL_CATALOG")]
    pub catalog: Option<PathBuf>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Subcommand)]
pub enum CatalogAsk {
    /// What is declared against what is observed, for people and for CI
    Check(CheckCatalogArgs),
    /// Write a first catalog from the config and the traffic that was seen
    Init(InitCatalogArgs),
    /// The rules of `catalog check`
    Rules,
}

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 no errors · 1 could not be done · 2 wrong arguments · 3 errors were found (with --strict: warnings, too)."
)]
pub struct CheckCatalogArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Look at files alone; else a running Plimsoll is asked what it has seen, when one answers
    #[arg(long)]
    pub offline: bool,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// A runbook that was not run for so long is stale
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "90d")]
    pub stale: Duration,
    /// A service without a request for so long is dead
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30d")]
    pub dead: Duration,
}

#[derive(Args)]
pub struct InitCatalogArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Print a catalog-info.yaml for Backstage instead
    #[arg(long)]
    pub backstage: bool,
}

#[derive(Args)]
pub struct WhoArgs {
    /// A service or a route
    pub what: String,
    /// At another time, such as 2026-12-24T20:00 or, today, 20:00; with Z at its end it is UTC
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Subcommand)]
pub enum RunbookAsk {
    /// Every runbook, and when it was run last
    List(PlaceArgs),
    /// What a runbook would do: its steps in order
    Show(ShowArgs),
    /// Run its named steps, each after a yes
    Run(Box<RunRunbookArgs>),
}

#[derive(Args)]
pub struct ShowArgs {
    pub name: String,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args)]
#[command(
    after_help = "Each step is a block with a name; the shell of its fence runs it. Ctrl-C stops it. PLIMSOLL_RUNBOOK, PLIMSOLL_STEP, PLIMSOLL_CONSOLE and \
                  PLIMSOLL_INCIDENT tell it where it is.\nExit status: 0 all steps that were run ended with 0 · 1 could not be done · 3 a step failed, or none was run."
)]
pub struct RunRunbookArgs {
    pub name: String,
    /// Only these steps, in this order
    #[arg(long, value_name = "NAME")]
    pub step: Vec<String>,
    /// Only print what would be run
    #[arg(long)]
    pub dry_run: bool,
    /// Run every step without a question, but none that is interactive
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Longest time of a step
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub limit: Duration,
    /// Write what the steps say into the timeline of this incident
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Subcommand)]
pub enum IncidentAsk {
    /// Begin one: writes its file
    Open(OpenArgs),
    /// Somebody works on it
    Ack(StepArgs),
    /// Users do not feel it any more
    Mitigate(StepArgs),
    /// It is over
    Resolve(StepArgs),
    /// Write a line into its timeline
    Note(NoteArgs),
    /// One incident: its times and its timeline, filled from the ledger
    Show(StepArgs),
    /// All of them, newest first
    List(PlaceArgs),
    /// The draft of its postmortem, on standard output
    Draft(StepArgs),
}

#[derive(Args)]
pub struct OpenArgs {
    /// What users feel
    pub title: String,
    #[arg(long)]
    pub service: Option<String>,
    #[arg(long)]
    pub severity: Option<String>,
    /// When users began to feel it, such as 04:10, 20m (ago) or 2026-12-24T20:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub began: Option<Timestamp>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args)]
pub struct StepArgs {
    /// Its id, or the begin of it; the newest that is not resolved when left out
    pub id: Option<String>,
    /// When it was, if not now, such as 04:10, 20m (ago) or 2026-12-24T20:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args)]
pub struct NoteArgs {
    /// What was seen, or done
    pub text: String,
    /// The incident's id, or the begin of it; the newest that is not resolved when left out
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// When it was, if not now, such as 04:10, 20m (ago) or 2026-12-24T20:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,
    #[command(flatten)]
    pub place: PlaceArgs,
}
