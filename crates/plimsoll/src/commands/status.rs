//! `plimsoll status`: what is in service, and what is wrong.

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use serde_json::Value;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let status: Value = ask::get(ask::console(args.console, &args.config), "/api/v1/status")?;
    if args.json {
        println!("{status}");
        return Ok(Exit::Ok);
    }
    println!("learning    {}", status["progress"].as_str().unwrap_or(""));
    println!(
        "generation  {} ({:.12})",
        status["generation"],
        status["hash"].as_str().unwrap_or("")
    );
    println!("overlays    {}", terminal::list(&status["overlays"]));
    if let Some(id) = status["trial"]["id"].as_str() {
        let phase = status["trial"]["trial"]["phase"].as_str().unwrap_or("");
        println!("trial       {id}, {phase}; `plimsoll try --follow` shows it");
    }
    let empty = Vec::new();
    let wrong = ["file", "findings"]
        .iter()
        .flat_map(|k| status[k].as_array().unwrap_or(&empty));
    for f in wrong {
        println!(
            "wrong       {} {}",
            f["what"].as_str().unwrap_or(""),
            f["help"].as_str().unwrap_or("")
        );
    }
    Ok(Exit::Ok)
}
