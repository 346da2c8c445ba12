//! `plimsoll cost`: what requests used of the bill, and what was idle.

use crate::cli::cost::CostArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, show, terminal};
use cost::Report;
use cost::anomaly::Anomaly;
use cost::unit::UnitCost;
use serde_json::Value;

mod bill;
mod per;

/// The window when nobody says which.
const WINDOW: &str = "1h";

pub fn run(args: CostArgs) -> Result<Exit, Failure> {
    if args.bill.is_some() {
        return bill::run(&args);
    }
    if let Some(number) = &args.per {
        return per::run(&args, number);
    }
    let at = &ask::console(&args.ask)?;
    let window = ask::encode(args.window.as_deref().unwrap_or(WINDOW));
    let target = format!("/api/v1/cost?by={}&window={window}", args.by.word());
    if args.ask.json {
        println!("{}", ask::get::<Value>(at, &target)?);
        return Ok(Exit::Ok);
    }
    let report: Report = ask::get(at, &target)?;
    let unusual: Vec<Anomaly> = ask::get(at, "/api/v1/cost/anomalies")?;
    let units: Vec<UnitCost> = ask::get(at, "/api/v1/cost/units")?;
    let width = terminal::width();
    print!(
        "{}{}",
        show::cost::render(&report, &unusual, width),
        show::unit::overview(&units, width)
    );
    Ok(Exit::Ok)
}
