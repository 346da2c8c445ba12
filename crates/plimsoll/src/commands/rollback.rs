//! `plimsoll rollback OVERLAY`: takes one change back.

use crate::cli::RollbackArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use serde_json::{Value, json};

pub fn run(args: RollbackArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let done: Value = ask::post(
        at,
        "/api/v1/rollback",
        &json!({ "overlay": args.overlay, "who": terminal::who() }),
    )?;
    if args.ask.json {
        println!("{done}");
    } else {
        println!("rolled back {}; the other overlays stay", args.overlay);
    }
    Ok(Exit::Ok)
}
