//! `plimsoll record`: has the running Plimsoll write a recording, and waits until it has ended.

use crate::cli::RecordArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::terminal::Ticker;
use crate::{ask, show};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use telemetry::recording::{Ending, Progress, Stage};

const LOOK: Duration = Duration::from_millis(250);
const HERE: &str = "/api/v1/recording";

pub fn run(args: RecordArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    if args.status {
        return status(at, args.ask.json);
    }
    match &args.out {
        Some(folder) => start(at, folder, &args)?,
        None => end(at)?,
    }
    let ended = follow(at, args.ask.json)?;
    if args.ask.json {
        println!("{}", json!(ended));
    } else {
        print!("{}", show::record::ended(&ended));
    }
    if let Some(fault) = &ended.fault {
        return Err(Failure::new(fault.what.clone()).help(fault.why.clone()));
    }
    // A recording without a request is of no use to anybody.
    Ok(if ended.requests > 0 {
        Exit::Ok
    } else {
        Exit::Not
    })
}

fn status(at: &ask::Console, as_json: bool) -> Result<Exit, Failure> {
    let now: Progress = ask::get(at, HERE)?;
    match (as_json, now.stage) {
        (true, _) => println!("{}", json!(now)),
        (false, Stage::Ended) => print!("{}", show::record::ended(&now)),
        (false, _) => println!("{}", show::record::now(&now)),
    }
    Ok(Exit::Ok)
}

fn start(at: &ask::Console, folder: &Path, args: &RecordArgs) -> Result<(), Failure> {
    let what = json!({
        "folder": std::path::absolute(folder)?,
        "seconds": args.length.map(|d| d.as_secs_f64().ceil() as u64),
        "bytes": args.size,
    });
    ask::post::<Value>(at, HERE, &what).map(drop)
}

fn end(at: &ask::Console) -> Result<(), Failure> {
    ask::post::<Value>(at, "/api/v1/recording/stop", &json!({})).map(drop)
}

/// Shows how it goes. The first Ctrl-C ends the recording, the second one only this command.
fn follow(at: &ask::Console, quiet: bool) -> Result<Progress, Failure> {
    let interrupts = Interrupts::catch()?;
    let mut asked = 0;
    let mut ticker = Ticker::new(!quiet);
    loop {
        let now: Progress = ask::get(at, HERE)?;
        if now.stage == Stage::Ended {
            ticker.clear();
            return Ok(now);
        }
        ticker.say(&show::record::now(&now));
        let count = interrupts.count();
        if count > 1 {
            ticker.clear();
            return Err(
                Failure::new("not waited for the end of the recording").help(format!(
                    "it ends by itself within 12 s, in {}",
                    now.folder.display()
                )),
            );
        }
        if count > asked {
            asked = count;
            // It may have ended by itself in this moment: the next look tells.
            if now.ending != Some(Ending::Time) && now.stage == Stage::Taking {
                end(at)?;
            }
        }
        std::thread::sleep(LOOK);
    }
}
