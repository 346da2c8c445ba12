//! `plimsoll history`: the ledger, newest first.

use crate::cli::HistoryArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use serde_json::Value;

pub fn run(args: HistoryArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let lines: Vec<Value> = ask::get(at, &format!("/api/v1/history?n={}", args.n))?;
    if args.ask.json {
        println!("{}", Value::Array(lines));
        return Ok(Exit::Ok);
    }
    let mut table = terminal::table(&["when", "who", "what"]);
    for l in &lines {
        let text = |k: &str| l[k].as_str().unwrap_or("").to_owned();
        table.add_row([text("time"), text("who"), text("text")]);
    }
    println!("{table}");
    Ok(Exit::Ok)
}
