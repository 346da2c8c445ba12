//! `plimsoll rollback OVERLAY`: takes one change back.

use crate::ask;
use crate::cli::RollbackArgs;
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};

pub fn run(args: RollbackArgs) -> Result<Exit, Failure> {
    let at = ask::console(args.ask.console, &args.ask.config);
    let who = std::env::var("USER").unwrap_or_else(|_| "someone".into());
    let done: Value = ask::post(
        at,
        "/api/v1/rollback",
        &json!({ "overlay": args.overlay, "who": who }),
    )?;
    if args.ask.json {
        println!("{done}");
    } else {
        println!("rolled back {}; the other overlays stay", args.overlay);
    }
    Ok(Exit::Ok)
}
