//! `plimsoll slo export`: the objectives of a config for other tools, on standard output.

use super::good;
use crate::cli::slo::ExportArgs;
use crate::exit::{Exit, Failure};
use slo::{objectives, openslo, rules, yaml};

/// Goes before the rules.
const ABOUT: &str = "\
# Made by `plimsoll slo export --prometheus`; make it anew when the objectives change.
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
        true => print!("{ABOUT}{}", yaml::write(&rules::file(&all))),
        false => print!("{}", openslo::export(&all)),
    }
    Ok(Exit::Ok)
}
