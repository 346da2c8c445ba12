//! `plimsoll slo`: what is promised, how it stands, how much error budget is left.

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use serde_json::Value;
use slo::SloStatus;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args)?;
    if args.json {
        println!("{}", ask::get::<Value>(at, "/api/v1/slos")?);
        return Ok(Exit::Ok);
    }
    let all: Vec<SloStatus> = ask::get(at, "/api/v1/slos")?;
    if all.is_empty() {
        println!(
            "no objectives: give a route or a service `slo: {{ latency: 250ms, target: 99.9% }}`"
        );
        return Ok(Exit::Ok);
    }
    let mut table = terminal::table(&[
        "of", "promise", "answers", "good", "budget", "burn 5m", "burn 1h", "alert",
    ]);
    for s in &all {
        table.add_row([
            format!("{} {}", s.objective.scope.word(), s.objective.name),
            s.promise.clone(),
            s.answers.total.to_string(),
            s.shown_good(),
            slo::alert::budget(s.budget_left),
            format!("{:.1}x", s.burn_5m),
            format!("{:.1}x", s.burn_1h),
            s.alert(),
        ]);
    }
    println!("{table}");
    Ok(Exit::Ok)
}
