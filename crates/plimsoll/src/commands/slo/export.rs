//! `plimsoll slo export`: the objectives of a config for other tools, on standard output.

use super::good;
use crate::cli::slo::ExportArgs;
use crate::exit::{Exit, Failure};
use crate::wire::slo::context;
use catalog::Catalog;
use config::Config;
use jiff::Timestamp;
use slo::rules::Response;
use slo::{Objective, objectives, openslo, rules, yaml};

/// Goes before the rules.
const ABOUT: &str = "\
# Made by `plimsoll slo export --prometheus`; make it anew when the objectives or the catalog change.
# The rules count what every Plimsoll that is scraped has at /metrics. Plimsoll tells of alerts by itself (`alerts:` in its
# config), sooner and only when it is sure: leave the groups sloth-slo-alerts-* out where both would reach the same people.
";

pub fn run(args: ExportArgs) -> Result<Exit, Failure> {
    let (config, _) = good(&args.config)?;
    let all = objectives(&config);
    if all.is_empty() {
        let what = format!("{} has no objectives", args.config.display());
        return Err(Failure::new(what)
            .help("give a route or a service `slo: { latency: 250ms, target: 99.9% }`"));
    }
    match args.prometheus {
        true => {
            let catalog = catalog::files_of(&args.config, config.catalog.as_deref());
            let response = |o: &Objective| response(o, &config, &catalog);
            print!("{ABOUT}{}", yaml::write(&rules::file(&all, response)));
        }
        false => print!("{}", openslo::export(&all)),
    }
    Ok(Exit::Ok)
}

/// As Plimsoll's own alerts have it, but for the person on call.
fn response(o: &Objective, config: &Config, catalog: &Catalog) -> Response {
    let found = context::response(o, config, Some(catalog), Timestamp::now());
    let rotation = found.rotation.clone();
    let context = context::of(None, &[], o, found);
    Response {
        rotation,
        runbook_url: context.runbook_url(config.alerts.link.as_deref()),
        owner: context.owner,
        step: context.step,
    }
}
