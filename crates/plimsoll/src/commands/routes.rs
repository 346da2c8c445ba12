//! `plimsoll routes`: what comes on each route, how it is answered, what it uses and costs, and what gates did with it and why.

use crate::cli::routes::RoutesArgs;
use crate::exit::{Exit, Failure};
use crate::show::{answer, routes};
use crate::{ask, terminal};
use serde_json::{Value, json};

/// Names that are told when one is not known.
const TOLD: usize = 20;

pub fn run(args: RoutesArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let lately = ask::get(at, "/api/v1/routes")?;
    let decisions = ask::get(at, "/api/v1/decisions")?;
    let said: Value = ask::get(at, "/api/v1/diagnosis")?;
    let all = routes::join(lately, decisions, answer::of_live(&said)?.as_ref());
    let width = terminal::width();
    let Some(name) = &args.name else {
        match args.ask.json {
            true => println!("{}", json!(all)),
            false => print!("{}", routes::list(&all, width)),
        }
        return Ok(Exit::Ok);
    };
    let Some(one) = all.iter().find(|r| r.lately.route == *name) else {
        let names: Vec<&str> = all.iter().map(|r| r.lately.route.as_str()).collect();
        let more = if names.len() > TOLD { ", …" } else { "" };
        let some = names.get(..TOLD).unwrap_or(&names).join(", ");
        return Err(Failure::new(format!("no route `{name}` has been seen"))
            .help(format!("there are: {some}{more}")));
    };
    match args.ask.json {
        true => println!("{}", json!(one)),
        false => {
            let progress = said["progress"].as_str().unwrap_or("nothing was seen yet");
            print!("{}", routes::one(one, progress, width));
        }
    }
    Ok(Exit::Ok)
}
