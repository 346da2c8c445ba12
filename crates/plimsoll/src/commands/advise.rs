//! `plimsoll advise`: the changes that lift the line, best first; live, or from a recording.

use super::recorded;
use crate::cli::learn::AdviseArgs;
use crate::exit::{Exit, Failure};
use crate::show::{self, answer};
use crate::{ask, terminal};
use control::proposal::Proposal;
use model::advice::{Options, advise};
use serde_json::{Value, json};
use std::path::Path;

pub fn run(args: AdviseArgs) -> Result<Exit, Failure> {
    match &args.source.recording {
        Some(folder) => offline(folder, &args),
        None => live(&args),
    }
}

fn offline(folder: &Path, args: &AdviseArgs) -> Result<Exit, Failure> {
    let recorded = recorded::read(folder)?;
    let fit = match recorded.fit() {
        Ok(fit) => fit,
        Err(e) => return recorded::not_yet(&e, args.source.ask.json),
    };
    let options = Options {
        target: args.target,
        config: recorded::config(&args.source.ask.config)?,
        ..Options::default()
    };
    let advice = advise(&fit, &options);
    if args.source.ask.json {
        println!(
            "{}",
            json!({ "advice": advice, "findings": recorded.findings })
        );
    } else {
        print!("{}", show::advice::offline(&advice, terminal::width()));
    }
    Ok(Exit::Ok)
}

fn live(args: &AdviseArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.source.ask)?;
    let said: Value = ask::get(at, "/api/v1/advice")?;
    if args.source.ask.json {
        println!("{said}");
        return Ok(Exit::Ok);
    }
    let proposals: Vec<Proposal> =
        serde_json::from_value(said["proposals"].clone()).map_err(|e| {
            Failure::new(format!("its advice is not understood: {e}"))
                .help("use the same version of plimsoll as the one that runs")
        })?;
    // The line before is a help, not the answer: without it the table stands.
    let diagnosis: Value = ask::get(at, "/api/v1/diagnosis")?;
    let before = answer::of_live(&diagnosis)?
        .and_then(|a| a.line)
        .map(|l| l.line);
    let progress = said["progress"].as_str().unwrap_or("");
    print!(
        "{}",
        show::advice::live(&proposals, before, progress, terminal::width())
    );
    Ok(Exit::Ok)
}
