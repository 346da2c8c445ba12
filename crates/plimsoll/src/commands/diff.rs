//! `plimsoll diff`: what the overlays change in the file.

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use serde_json::Value;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let lines: Vec<Value> = ask::get(&ask::console(&args)?, "/api/v1/diff")?;
    if args.json {
        println!("{}", Value::Array(lines));
        return Ok(Exit::Ok);
    }
    if lines.is_empty() {
        println!("no overlay: what runs is what the file says");
        return Ok(Exit::Ok);
    }
    let mut table = terminal::table(&["path", "in the file", "in service", "overlay"]);
    for l in &lines {
        let shown = |v: &Value| {
            if v.is_null() {
                "—".to_owned()
            } else {
                v.to_string()
            }
        };
        let text = |k: &str| l[k].as_str().unwrap_or("").to_owned();
        table.add_row([
            text("path"),
            shown(&l["file"]),
            shown(&l["value"]),
            text("overlay"),
        ]);
    }
    println!("{table}");
    Ok(Exit::Ok)
}
