//! `plimsoll try`: tries a proposal and follows it until its verdict.

use crate::cli::TryArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::terminal::Ticker;
use crate::{ask, show, terminal};
use control::api::TrialView;
use control::proposal::{Change, Proposal};
use control::trial::{Phase, Times, TryOptions};
use control::words;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(500);

pub fn run(args: TryArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let quiet = args.ask.json;
    let id = match &args.which {
        Some(which) => {
            let proposal = pick(at, which)?;
            if let (Change::Instruction { text }, false) = (&proposal.change, args.done) {
                match quiet {
                    true => println!("{}", json!({ "instruction": proposal })),
                    false => print!("{}", show::trial::instruction(&proposal, text)),
                }
                return Ok(Exit::Not);
            }
            let id = start(at, &proposal, &args)?;
            if !quiet {
                print!("{id}: {}", show::trial::proposal(&proposal));
            }
            id
        }
        None => under_way(at)?,
    };
    if args.detach {
        match quiet {
            true => println!("{}", json!({ "trial": id })),
            false => print!("{}", show::trial::goes_on(&id)),
        }
        return Ok(Exit::Ok);
    }
    follow(at, &id, quiet)
}

/// By its number in the latest advice, from 1, or by its id.
fn pick(at: &ask::Console, which: &str) -> Result<Proposal, Failure> {
    let said: Value = ask::get(at, "/api/v1/advice")?;
    let all: Vec<Proposal> = understood(&said["proposals"])?;
    let number = which.parse::<usize>().ok();
    let found = match number {
        Some(n) => n.checked_sub(1).and_then(|n| all.get(n)),
        None => all.iter().find(|p| p.id == which),
    };
    found.cloned().ok_or_else(|| {
        let ids: Vec<&str> = all.iter().map(|p| p.id.as_str()).collect();
        Failure::new(format!("there is no proposal `{which}`")).help(match ids.is_empty() {
            true => format!(
                "there is none yet: {}",
                said["progress"].as_str().unwrap_or("")
            ),
            false => format!("there are {}; `plimsoll advise` shows them", ids.join(", ")),
        })
    })
}

fn start(at: &ask::Console, proposal: &Proposal, args: &TryArgs) -> Result<String, Failure> {
    let usual = TryOptions::default();
    let most_s = args
        .length
        .map_or(usual.times.most_s, |d| d.as_secs_f64().ceil() as u64);
    let options = TryOptions {
        share: args.share.unwrap_or(usual.share),
        times: Times {
            most_s,
            least_s: usual.times.least_s.min(most_s),
            confirm_s: usual.times.confirm_s.min(most_s),
            ..usual.times
        },
        who: terminal::who(),
        done: args.done,
        override_reason: args.override_reason.clone(),
    };
    let begun: Value = ask::post(
        at,
        "/api/v1/try",
        &json!({ "which": proposal.id, "options": options }),
    )?;
    understood(&begun["trial"])
}

fn under_way(at: &ask::Console) -> Result<String, Failure> {
    let status: Value = ask::get(at, "/api/v1/status")?;
    let id = status["trial"]["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| {
        Failure::new("no trial is under way")
            .help("`plimsoll history` shows how the last ones ended")
    })
}

/// Shows each phase and how it stands, until the verdict; Ctrl-C leaves the trial alone.
fn follow(at: &ask::Console, id: &str, quiet: bool) -> Result<Exit, Failure> {
    let interrupts = Interrupts::catch()?;
    let mut ticker = Ticker::new(!quiet);
    let mut shown: Option<Phase> = None;
    loop {
        let view: TrialView = ask::get(at, &format!("/api/v1/trials/{id}"))?;
        if let Some(outcome) = &view.record.outcome {
            ticker.clear();
            match quiet {
                true => println!("{}", json!(view)),
                false => print!("{}", show::trial::ended(&view, outcome)),
            }
            return Ok(if outcome.verdict.is_kept() {
                Exit::Ok
            } else {
                Exit::Not
            });
        }
        if let Some(running) = &view.running {
            if !quiet && shown != Some(running.trial.phase) {
                ticker.clear();
                println!("  {}", words::phase(running));
                shown = Some(running.trial.phase);
            }
            ticker.say(&format!("  {}", words::now(running)));
        }
        if interrupts.count() > 0 {
            ticker.clear();
            eprint!("{}", show::trial::goes_on(id));
            return Ok(Exit::Failed);
        }
        std::thread::sleep(LOOK);
    }
}

fn understood<T: DeserializeOwned>(said: &Value) -> Result<T, Failure> {
    serde_json::from_value(said.clone()).map_err(|e| {
        Failure::new(format!("its answer is not understood: {e}"))
            .help("use the same version of plimsoll as the one that runs")
    })
}
