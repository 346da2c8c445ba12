//! `plimsoll cost`: what requests used of the bill, and what was idle.

use crate::cli::cost::CostArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, show, terminal};
use cost::Report;
use serde_json::Value;

pub fn run(args: CostArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let window = ask::encode(&args.window);
    let target = format!("/api/v1/cost?by={}&window={window}", args.by.word());
    if args.ask.json {
        println!("{}", ask::get::<Value>(at, &target)?);
        return Ok(Exit::Ok);
    }
    let report: Report = ask::get(at, &target)?;
    print!("{}", show::cost::render(&report, terminal::width()));
    Ok(Exit::Ok)
}
