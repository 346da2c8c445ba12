//! The command line. Every command has one variant here and one file in `commands/`.

pub mod agent;
pub mod backup;
pub mod business;
pub mod cache;
pub mod catalog;
pub mod cost;
pub mod doctor;
mod instant;
pub mod jobs;
pub mod learn;
pub mod load;
pub mod profile;
pub mod routes;
pub mod slo;
pub mod streams;
pub mod topics;
pub mod traces;

use crate::ask::Place;
use clap::{Args, Parser, Subcommand};
use instant::instant;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
#[command(
    name = "plimsoll",
    version,
    about = "Finds what holds a system back, proposes the smallest change, proves it",
    after_help = "Exit status: 0 done and it holds · 1 could not be done · 2 wrong arguments · 3 done, but it does not hold."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show the whole loop on an example application, in about two minutes
    Demo(DemoArgs),
    /// Serve: forward requests, learn, protect; a change of the config is taken without a restart
    Run(RunArgs),
    /// Run beside instances on another host: what the probes see there goes to the gateway, once a second
    Agent(agent::AgentArgs),
    /// Write a first config from the ports that are listening here
    Init(InitArgs),
    /// Check a config: every mistake at once, with file, line and the nearest valid key
    Check(CheckArgs),
    /// What holds the system down, with its evidence, and the load line
    Diagnose(learn::DiagnoseArgs),
    /// The changes that lift the line, smallest first
    Advise(learn::AdviseArgs),
    /// Try a proposal on a share of the users, and keep it only if it helps
    Try(TryArgs),
    /// What a change, or more traffic, would do to the line
    Whatif(learn::WhatifArgs),
    /// What requests cost by route, service, resource, tenant or user, and what is idle: parts that sum to the bill
    Cost(cost::CostArgs),
    /// What routes are worth: the numbers of the business that their answers told
    Business(business::BusinessArgs),
    /// What a service on this host does with its processor: which functions, for which routes, and how long for one request
    Profile(profile::ProfileArgs),
    /// When the trend of traffic meets the line
    Forecast(learn::ForecastArgs),
    /// Have the running Plimsoll write what happens to a folder, to be looked at later or elsewhere
    Record(RecordArgs),
    /// Make a recording from an access log
    Import(learn::ImportArgs),
    /// Send load and measure; --find-limit raises it until the SLO breaks
    Load(Box<load::LoadArgs>),
    /// Have the running Plimsoll hand over to the binary that lies where it was started from
    Upgrade(AskArgs),
    /// What is in service, what each service may hold, what no probe sees, what is wrong
    Status(AskArgs),
    /// What is promised, how it stands, how much error budget is left; `export` and `import` them
    Slo(slo::SloArgs),
    /// What fires, why, and what to do
    Alerts(slo::AlertsArgs),
    /// Each route: what comes, how it is answered, what it uses and costs, what gates did and why
    Routes(routes::RoutesArgs),
    /// Requests that failed or were slow, step by step: list them, or show one with its log lines
    Traces(traces::TracesArgs),
    /// What was changed, by whom, why, and what came of it
    History(HistoryArgs),
    /// What the overlays change in the file
    Diff(AskArgs),
    /// Write overlays into the config file, keeping its comments
    Adopt(AdoptArgs),
    /// Take one overlay away, or end a trial; the others stay
    Rollback(RollbackArgs),
    /// Take answers out of the caches: an address, a prefix or a group
    Purge(cache::PurgeArgs),
    /// What the caches would do, and why
    #[command(subcommand)]
    Cache(cache::CacheAsk),
    /// Jobs: requests that were accepted and are delivered later
    #[command(subcommand)]
    Jobs(jobs::JobsAsk),
    /// Topics: events that are delivered to everybody who subscribes
    #[command(subcommand)]
    Topics(topics::TopicsAsk),
    /// Streams of events: what was appended, and who has read how far
    #[command(subcommand)]
    Streams(streams::StreamsAsk),
    /// Databases with replicas: how far each is, and which answer the reads of each route
    Replicas(AskArgs),
    /// Copy the ledger, jobs, state and events, while Plimsoll runs
    Backup(backup::BackupArgs),
    /// Put a backup where nothing is
    Restore(backup::RestoreArgs),
    /// Whether what Plimsoll stands on is as it should be: engines, what they keep, disk, files, clock
    Doctor(doctor::DoctorArgs),
    /// Teams, services, on-call, runbooks: what is declared against what is observed
    #[command(subcommand)]
    Catalog(catalog::CatalogAsk),
    /// Who owns a service or route, who is on call for it, and its runbooks
    Who(catalog::WhoArgs),
    /// Runbooks: what they hold, and running their named steps
    #[command(subcommand)]
    Runbook(catalog::RunbookAsk),
    /// Incidents: their life, their timeline, the draft of the postmortem
    #[command(subcommand)]
    Incident(catalog::IncidentAsk),
    /// Seven steps to a system that carries its load: evidence for each, and the next thing to do
    Checklist(catalog::PlaceArgs),
    /// Print the config's JSON Schema (for editors) or its reference page
    Schema(SchemaArgs),
    /// An example application to try things on
    #[command(subcommand, hide = true)]
    Example(Example),
}

#[derive(Subcommand)]
pub enum Example {
    /// One process of the shop: front, catalogue or pay
    Shop(ShopArgs),
    /// Watch an application with one bottleneck planted, and compare the answer with the truth
    Planted(PlantedArgs),
}

#[derive(Args)]
pub struct PlantedArgs {
    /// Which one; their list when left out
    pub scenario: Option<String>,
    /// Folder of the recording; one that is there already is read instead of made
    #[arg(long, required_unless_present = "list")]
    pub out: Option<PathBuf>,
    /// The names of all scenarios, a line each
    #[arg(long)]
    pub list: bool,
    /// Measure a load line instead (some minutes): as planted, with the planted limit lifted, or with the runner-up lifted
    #[arg(long, value_enum)]
    pub truth: Option<crate::planted::truth::Which>,
    /// Of the traffic; from the second on each draws a mix of its own
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Requests per second of the watch, instead of the scenario's own
    #[arg(long)]
    pub rate: Option<f64>,
    /// The order service (examples/orders/orders.js), where node finds its packages
    #[arg(long, requires_all = ["database", "store"])]
    pub app: Option<PathBuf>,
    /// URL of its PostgreSQL
    #[arg(long, requires = "app")]
    pub database: Option<String>,
    /// The first process of its PostgreSQL, for scenarios that limit its disk
    #[arg(long, requires = "database")]
    pub database_process: Option<u32>,
    /// URL of its Redis
    #[arg(long, requires = "app")]
    pub store: Option<String>,
}

#[derive(Args)]
pub struct ShopArgs {
    /// front, catalogue or pay
    pub role: String,
    #[arg(long)]
    pub listen: SocketAddr,
    /// Where inner calls go
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub via: SocketAddr,
    /// Folder of the database file
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// What is planted, such as lock_ms=6,no_index=true
    #[arg(long, default_value = "")]
    pub switches: String,
}

/// The config, with or without `--config` before it.
#[derive(Args)]
pub struct ConfigArgs {
    /// A file, or a folder of *.yaml files
    #[arg(value_name = "CONFIG", default_value = "plimsoll.yaml")]
    plain: PathBuf,
    /// The same
    #[arg(long = "config", value_name = "CONFIG", conflicts_with = "plain")]
    named: Option<PathBuf>,
}

impl ConfigArgs {
    pub fn path(self) -> PathBuf {
        self.named.unwrap_or(self.plain)
    }
}

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct SchemaArgs {
    /// The reference page instead, as Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// How to reach a running Plimsoll.
#[derive(Args, Clone)]
pub struct AskArgs {
    /// Its console: an address, https://NAME:PORT or unix:PATH; else the one in the config
    #[arg(long, env = "PLIMSOLL_CONSOLE")]
    pub console: Option<Place>,
    /// A file with the token of a user of the console; else what PLIMSOLL_TOKEN holds
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Who has signed the console's certificate (PEM)
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_CA")]
    pub ca: Option<PathBuf>,
    /// Your certificate for the console, with its key (PEM)
    #[arg(long, value_name = "FILE", requires = "key", requires = "ca")]
    pub cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The file that Plimsoll runs with
    #[arg(long, default_value = "plimsoll.yaml")]
    pub config: PathBuf,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct HistoryArgs {
    /// How many entries, newest first
    #[arg(short, default_value_t = 20)]
    pub n: usize,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct AdoptArgs {
    /// Ids of overlays (`plimsoll diff` shows them); else all that are there to stay
    pub overlays: Vec<String>,
    /// Only show what would change in the file
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct RollbackArgs {
    /// Id of the overlay (`plimsoll diff` shows them), or of the trial under way
    pub overlay: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct RecordArgs {
    /// Folder of the recording, on the host where Plimsoll runs; made if it is not there
    #[arg(long, required_unless_present_any = ["stop", "status"])]
    pub out: Option<PathBuf>,
    /// How long, such as 5m; else until Ctrl-C, and an hour at most
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub length: Option<Duration>,
    /// It ends when it is about so large; 1GiB when left out
    #[arg(long, value_parser = bytes)]
    pub size: Option<u64>,
    /// End the recording under way
    #[arg(long, conflicts_with_all = ["out", "length", "size"])]
    pub stop: bool,
    /// Only say how the recording stands, or how the last one ended
    #[arg(long, conflicts_with_all = ["out", "length", "size", "stop"])]
    pub status: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 kept · 3 rolled back, or an instruction that people have to carry out first · 1 not followed to its end.\nCtrl-C leaves the trial running."
)]
pub struct TryArgs {
    /// Number or id of a proposal (`plimsoll advise` shows them)
    #[arg(required_unless_present = "follow")]
    pub which: Option<String>,
    /// Share of the users who get it first, such as 10%; 20% when left out
    #[arg(long, value_parser = share)]
    pub share: Option<f64>,
    /// How long it is watched at most before the verdict, such as 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub length: Option<Duration>,
    /// For an instruction: it has been carried out
    #[arg(long)]
    pub done: bool,
    /// Try it although its error budget holds it back; the ledger says why
    #[arg(long = "override", value_name = "REASON")]
    pub override_reason: Option<String>,
    /// Only start it
    #[arg(long)]
    pub detach: bool,
    /// Show the trial that is under way
    #[arg(long, conflicts_with_all = ["which", "share", "length", "done", "override_reason", "detach"])]
    pub follow: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct InitArgs {
    /// The service's address; found by itself when left out
    #[arg(long)]
    pub instance: Vec<SocketAddr>,
    /// Where Plimsoll will listen
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The file to write
    #[arg(long, default_value = "plimsoll.yaml")]
    pub out: PathBuf,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct DemoArgs {
    /// Try a change that does not help, and see it rolled back
    #[arg(long)]
    pub bad_change: bool,
    /// Bisect the load lines instead of a quick ramp (some minutes more)
    #[arg(long)]
    pub full: bool,
    /// Keep a recording of the time before the change in this folder (10 s more)
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Draws another traffic
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
}

pub fn duration(text: &str) -> Result<Duration, String> {
    base::units::duration(text).map_err(|e| e.to_string())
}

pub fn share(text: &str) -> Result<f64, String> {
    base::units::share(text).map_err(|e| e.to_string())
}

fn bytes(text: &str) -> Result<u64, String> {
    base::units::bytes(text).map_err(|e| e.to_string())
}
