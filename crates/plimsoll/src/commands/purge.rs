//! `plimsoll purge URL`: takes answers out of the caches.

use crate::ask;
use crate::cli::cache::PurgeArgs;
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};

pub fn run(args: PurgeArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
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
    match done["nodes"].as_str() {
        Some("told") => println!("other nodes: told; they do the same within a second"),
        Some(_) => println!(
            "other nodes: NOT told yet, because the shared engine is away or slow; they are when it is back"
        ),
        None => {}
    }
    let outward = &done["outward"];
    if let Some(line) = further_out(outward) {
        println!("{line}");
    }
    Ok(match outward["state"].as_str() {
        Some("failed") => Exit::Not,
        _ => Exit::Ok,
    })
}

/// What became of it in the cache further out; `None`: there is none.
fn further_out(outward: &Value) -> Option<String> {
    let call = outward["call"].as_str().unwrap_or("purge_hook");
    let tries = match outward["tries"].as_u64() {
        Some(n) if n > 1 => format!(" after {n} tries"),
        _ => String::new(),
    };
    Some(match outward["state"].as_str()? {
        "done" => format!("further out: {call} answered {}{tries}", outward["status"]),
        "waiting" => format!("further out: {call} has not answered yet; it is tried again"),
        _ => {
            let why = outward["why"].as_str().unwrap_or("");
            format!("further out: NOT purged, {call}: {why}{tries}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_it_further_out_is_said() {
        let said = |v: Value| further_out(&v);
        assert_eq!(said(Value::Null), None);
        let done =
            json!({ "state": "done", "call": "PURGE http://h/a", "status": 200, "tries": 2 });
        assert_eq!(
            said(done).as_deref(),
            Some("further out: PURGE http://h/a answered 200 after 2 tries")
        );
        let failed = json!({ "state": "failed", "why": "`purge_hook` has no `group`" });
        assert_eq!(
            said(failed).as_deref(),
            Some("further out: NOT purged, purge_hook: `purge_hook` has no `group`")
        );
    }
}
