//! `plimsoll cost --per NUMBER`: what one order costs by day or hour, and its trend.

use crate::cli::cost::CostArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, show, terminal};
use cost::unit::UnitCost;
use serde_json::Value;

pub fn run(args: &CostArgs, number: &str) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let own = if args.each == "hour" { "7d" } else { "35d" };
    let window = ask::encode(args.window.as_deref().unwrap_or(own));
    let (of, each) = (ask::encode(number), &args.each);
    let target = format!("/api/v1/cost/units?of={of}&each={each}&window={window}");
    if args.ask.json {
        println!("{}", ask::get::<Value>(at, &target)?);
        return Ok(Exit::Ok);
    }
    let all: Vec<UnitCost> = ask::get(at, &target)?;
    for u in &all {
        print!("{}", show::unit::one(u, terminal::width()));
    }
    Ok(Exit::Ok)
}
