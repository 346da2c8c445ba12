//! `plimsoll alerts`: what fires, why, and what to do.

use crate::ask;
use crate::cli::slo::AlertsArgs;
use crate::exit::{Exit, Failure};
use control::ports::{SystemWall, Wall};
use serde_json::Value;
use slo::alert::Told;
use slo::notify::covered;
use slo::notify::text::time as exact;
use slo::{Alert, State};

pub fn run(args: AlertsArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let all: Vec<Value> = ask::get(at, "/api/v1/alerts")?;
    let shown = |v: &&Value| args.all || v["state"] == "firing";
    let all: Vec<Value> = all.iter().filter(shown).cloned().collect();
    if args.ask.json {
        println!("{}", Value::Array(all));
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        println!("nothing fires");
        return Ok(Exit::Ok);
    }
    let all: Vec<Alert> = (all.into_iter().map(serde_json::from_value))
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::new(format!("its answer is not understood: {e}")))?;
    for a in &all {
        print!("{}", text(a, &all));
    }
    Ok(Exit::Ok)
}

/// Of the second, for people.
fn time(ms: u64) -> String {
    exact(ms - ms % 1000)
}

fn text(a: &Alert, all: &[Alert]) -> String {
    let since = time(a.started_ms);
    let mut out = match (a.state, a.ended_ms) {
        (State::Firing, _) => format!("{} FIRING since {since}\n", a.severity.word()),
        (State::Resolved, end) => {
            let end = end.map_or(String::new(), |ms| format!(" to {}", time(ms)));
            format!("{} from {since}{end}\n", a.severity.word())
        }
    };
    out += &format!("  {}\n", a.summary);
    let told = |(name, told): (&String, &Told)| match &told.error {
        Some(why) => format!("NOT TOLD: {name}: {why} ({} tries)", told.tries),
        None => format!("told: {name}, {}", time(told.at_ms)),
    };
    let mut lines = a.lines();
    lines.extend(a.told.iter().map(told));
    if a.told.is_empty() {
        lines.push(match covered(a, all, SystemWall.now_ms()) {
            true => format!("told with an earlier alert of {}", a.service),
            false => "NOBODY WAS TOLD: `alerts` in the config says who is".to_owned(),
        });
    }
    for line in lines {
        out += &format!("    {line}\n");
    }
    out
}
