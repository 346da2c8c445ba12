//! `plimsoll upgrade`: asks the running process to hand over, and follows it until another one answers in its stead.

use crate::ask;
use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TARGET: &str = "/api/v1/upgrade";
/// Between two questions.
const LOOK: Duration = Duration::from_millis(200);
/// Longer than a new process may take for its trials and for taking over, unless the configuration says so.
const LONGEST: Duration = Duration::from_secs(150);

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args)?;
    let before: Value = ask::post(at, TARGET, &json!({}))?;
    let until = Instant::now() + LONGEST;
    let after = loop {
        std::thread::sleep(LOOK);
        // While the console changes hands nobody answers.
        let now: Option<Value> = ask::get(at, TARGET).ok();
        match now {
            Some(now) if now["pid"] != before["pid"] => break now,
            Some(now) if now["state"] == "failed" => break now,
            _ if Instant::now() > until => {
                let what = format!("the upgrade does not end within {} s", LONGEST.as_secs());
                return Err(Failure::new(what).help("look at the log of the running Plimsoll"));
            }
            _ => {}
        }
    };
    let failed = after["state"] == "failed";
    if args.json {
        println!("{after}");
    } else if failed {
        println!("not upgraded; process {} goes on as before", after["pid"]);
        println!("{}", after["why"].as_str().unwrap_or(""));
    } else {
        let version = after["version"].as_str().unwrap_or("");
        println!(
            "process {} with version {version} has taken over from {}",
            after["pid"], before["pid"]
        );
    }
    Ok(if failed { Exit::Not } else { Exit::Ok })
}
