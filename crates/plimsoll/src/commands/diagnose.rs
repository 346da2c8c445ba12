//! `plimsoll diagnose`: the constraint, the load line, and all they rest on; live, or from a recording.

use super::recorded;
use crate::cli::learn::DiagnoseArgs;
use crate::exit::{Exit, Failure};
use crate::show::{self, Answer, answer};
use crate::{ask, terminal};
use model::diagnose::Verdict;
use serde_json::{Value, json};
use std::path::Path;

pub fn run(args: DiagnoseArgs) -> Result<Exit, Failure> {
    match &args.source.recording {
        Some(folder) => offline(folder, args.source.ask.json),
        None => live(&args),
    }
}

fn offline(folder: &Path, json: bool) -> Result<Exit, Failure> {
    let recorded = recorded::read(folder)?;
    let (answer, _) = answer::of_history(&recorded.history, &recorded.learn());
    if json {
        let Answer {
            diagnosis,
            line,
            costs,
        } = &answer;
        println!(
            "{}",
            json!({ "diagnosis": diagnosis, "line": line, "costs": costs, "findings": recorded.findings })
        );
    } else {
        print!(
            "{}",
            show::diagnosis::render(&answer, &recorded.findings, terminal::width())
        );
    }
    Ok(exit(&answer))
}

fn live(args: &DiagnoseArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.source.ask)?;
    let mut said: Value = ask::get(at, "/api/v1/diagnosis")?;
    let blind = silent(&ask::get(at, "/api/v1/probes")?);
    let found = answer::of_live(&said)?;
    if args.source.ask.json {
        said["blind"] = blind.into();
        println!("{said}");
        return Ok(found.as_ref().map_or(Exit::Not, exit));
    }
    for line in blind {
        println!("Not seen: {line}.");
    }
    let Some(answer) = found else {
        println!(
            "Not enough evidence yet: {}.",
            said["progress"].as_str().unwrap_or("nothing seen")
        );
        return Ok(Exit::Not);
    };
    print!(
        "{}",
        show::diagnosis::render(&answer, &[], terminal::width())
    );
    Ok(exit(&answer))
}

/// What is out of sight because an agent of another host is silent: the answer knows less than it could.
fn silent(probes: &Value) -> Vec<String> {
    let all = probes.as_array().into_iter().flatten();
    all.filter(|p| p["probe"] == "agent" && p["blind"] == true)
        .map(super::status::blind)
        .collect()
}

/// "Not enough evidence" is an answer, but not the one that was asked for.
fn exit(answer: &Answer) -> Exit {
    match answer.diagnosis.verdict {
        Verdict::NotEnoughEvidence { .. } => Exit::Not,
        _ => Exit::Ok,
    }
}
