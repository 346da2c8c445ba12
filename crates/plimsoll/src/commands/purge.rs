//! `plimsoll purge URL`: takes answers out of the caches.

use crate::ask;
use crate::cli::cache::PurgeArgs;
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};

pub fn run(args: PurgeArgs) -> Result<Exit, Failure> {
    let at = ask::console(args.ask.console, &args.ask.config);
    let body = json!({
        "url": args.url, "prefix": args.prefix, "group": args.group, "host": args.host, "hard": args.hard,
    });
    let done: Value = ask::post(at, "/api/v1/cache/purge", &body)?;
    if args.ask.json {
        println!("{done}");
        return Ok(Exit::Ok);
    }
    let n = done["purged"].as_u64().unwrap_or(0);
    let how = match args.hard {
        true => "gone",
        false => "stale from now on",
    };
    println!("stored answers that are {how}: {n}");
    Ok(Exit::Ok)
}
