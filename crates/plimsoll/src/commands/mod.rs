//! One file per command; this is their list.

mod adopt;
mod advise;
mod agent;
mod alerts;
mod backup;
mod business;
mod cache;
mod catalog;
mod check;
mod checklist;
mod cost;
mod demo;
mod diagnose;
mod diff;
mod doctor;
mod example;
mod forecast;
mod history;
mod import;
mod incident;
mod init;
mod jobs;
mod load;
mod profile;
mod purge;
mod record;
pub mod recorded;
mod replicas;
mod rollback;
mod routes;
mod run;
mod runbook;
mod schema;
mod slo;
mod status;
mod streams;
mod topics;
mod traces;
mod try_proposal;
mod upgrade;
mod whatif;
mod who;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};

pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Check(args) => check::run(args),
        Command::Init(args) => init::run(args),
        Command::Diagnose(args) => diagnose::run(args),
        Command::Advise(args) => advise::run(args),
        Command::Try(args) => try_proposal::run(args),
        Command::Whatif(args) => whatif::run(args),
        Command::Cost(args) => cost::run(args),
        Command::Business(args) => business::run(args),
        Command::Profile(args) => profile::run(args),
        Command::Forecast(args) => forecast::run(args),
        Command::Record(args) => record::run(args),
        Command::Import(args) => import::run(args),
        Command::Load(args) => load::run(*args),
        Command::Upgrade(args) => upgrade::run(args),
        Command::Status(args) => status::run(args),
        Command::Slo(args) => slo::run(args),
        Command::Alerts(args) => alerts::run(args),
        Command::Routes(args) => routes::run(args),
        Command::Traces(args) => traces::run(&args),
        Command::History(args) => history::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Adopt(args) => adopt::run(args),
        Command::Rollback(args) => rollback::run(args),
        Command::Purge(args) => purge::run(args),
        Command::Cache(ask) => cache::run(ask),
        Command::Jobs(ask) => jobs::run(ask),
        Command::Topics(ask) => topics::run(ask),
        Command::Streams(ask) => streams::run(ask),
        Command::Replicas(args) => replicas::run(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Catalog(ask) => catalog::run(ask),
        Command::Who(args) => who::run(args),
        Command::Runbook(ask) => runbook::run(ask),
        Command::Incident(ask) => incident::run(ask),
        Command::Checklist(args) => checklist::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Example(args) => example::run(args),
    }
}
