//! The demo: the whole loop on a real application in about two minutes.
//!
//! It starts the shop, Plimsoll in front of it, and traffic; waits until the model has an answer; measures the load
//! line with a short ramp; tries the first proposal as a canary; measures again; and compares with what was promised.

pub mod host;
pub mod report;
pub mod stage;
pub mod traffic;

use crate::exit::{Exit, Failure};
use crate::show::answer::Answer;
use crate::wire::system::System;
use control::loops::Stage as Learned;
use control::proposal::{Change, Effect, Proposal};
use control::trial::{Times, TryOptions};
use host::HostCpu;
use report::{Outcome, Say};
use stage::{Plant, Ports, Scratch, Stage};
use std::time::{Duration, Instant};

/// How the demo is run.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// Try a change that does not help, to see it rolled back.
    pub bad_change: bool,
    /// Bisect the load lines instead of a quick ramp (some minutes more).
    pub full: bool,
    pub json: bool,
    pub seed: u64,
}

/// Requests per second while it learns: below 40 % of what the shop can carry.
const LEARNING_RATE: f64 = 60.0;
const LEARN: Duration = Duration::from_secs(45);
const LEARN_AT_MOST: Duration = Duration::from_secs(120);
/// Above this share of the host's CPU the machine itself would be measured.
const HOST_LIMIT: f64 = 0.6;

pub fn run(demo: Demo) -> Result<Exit, Failure> {
    let mut say = Say::new(demo.json);
    let scratch = Scratch::new()?;
    let ports = Ports::free()?;
    let binary = std::env::current_exe()?;
    say.step("starting the shop (three processes), Plimsoll in front of it, and traffic");
    let text = stage::config_text(&ports, &scratch.0.join("data"), stage::SHOPPERS, &[]);
    let checked = config::check_text("the demo's config", &text);
    let Some(config) = checked.config else {
        return Err(Failure::new(config::report::render(
            &checked.findings,
            &checked.document,
            false,
        )));
    };
    let system = System::start("demo", &text)?;
    let shop = Stage::start(&binary, &ports, &Plant::slow_lock(), &scratch.0)?;
    let traffic = traffic::Traffic::start(traffic::plan(
        &config,
        ports.listen,
        LEARNING_RATE,
        demo.seed,
    )?);
    let cpu = HostCpu::now();

    let answer = learn(&system, &mut say)?;
    say.diagnosis(&answer);
    let busy = cpu.share_since();
    if busy > HOST_LIMIT {
        return Err(Failure::new(format!(
            "the host's CPU was {:.0} % busy while learning: on this machine the demo's result is not valid",
            busy * 100.0
        ))
        .help("stop other programs, or use a machine with more cores"));
    }
    let proposals = wait_for(Duration::from_secs(30), || {
        Some(system.control.advise().proposals).filter(|p| !p.is_empty())
    })
    .ok_or_else(|| {
        Failure::new("the model proposes nothing")
            .help("run it again with --json and read the diagnosis")
    })?;
    say.proposals(&proposals);
    traffic.stop();

    say.step("measuring the load line before the change (ramp)");
    let before = traffic::limit(&config, ports.listen, &answer, demo.full, demo.seed)?;
    say.limit("before", &before);

    let proposal = if demo.bad_change {
        bad_change()
    } else {
        proposals[0].clone()
    };
    say.step(&format!("canary: {} for half of the users", proposal.title));
    let traffic = traffic::Traffic::start(traffic::plan(
        &config,
        ports.listen,
        LEARNING_RATE,
        demo.seed + 1,
    )?);
    let trial = trial(&system, &proposal, &mut say)?;
    traffic.stop();

    say.step("measuring the load line after the trial (ramp)");
    let after = traffic::limit(&config, ports.listen, &answer, demo.full, demo.seed + 2)?;
    say.limit("after", &after);

    let outcome = Outcome {
        answer,
        proposal,
        trial,
        before,
        after,
        bad_change: demo.bad_change,
    };
    say.table(&outcome);
    system.stop();
    drop(shop);
    Ok(if outcome.holds() { Exit::Ok } else { Exit::Not })
}

/// Waits for the model's answer, after at least `LEARN` of traffic.
fn learn(system: &System, say: &mut Say) -> Result<Answer, Failure> {
    let start = Instant::now();
    let mut shown = String::new();
    loop {
        let view = system.control.diagnose();
        if view.progress != shown {
            say.progress(&view.progress);
            shown.clone_from(&view.progress);
        }
        if start.elapsed() >= LEARN
            && view.stage == Learned::Ready
            && let Some(value) = &view.diagnosis
        {
            return serde_json::from_value((**value).clone())
                .map_err(|e| Failure::new(format!("the diagnosis is not understood: {e}")));
        }
        if start.elapsed() > LEARN_AT_MOST {
            return Err(Failure::new(format!(
                "no answer after {} s: {}",
                LEARN_AT_MOST.as_secs(),
                view.progress
            )));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Tries a proposal and waits for its verdict.
fn trial(
    system: &System,
    proposal: &Proposal,
    say: &mut Say,
) -> Result<control::trial::Outcome, Failure> {
    let times = Times {
        settle_s: 3,
        look_s: 1,
        least_s: 10,
        most_s: 45,
        confirm_s: 1,
    };
    let options = TryOptions {
        share: 0.5,
        times,
        who: "demo".into(),
        done: false,
    };
    let id = system
        .control
        .try_this(proposal.clone(), &options)
        .map_err(|f| {
            Failure::new(
                f.iter()
                    .map(|f| f.to_string())
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?;
    let mut shown = String::new();
    wait_for(Duration::from_secs(times.most_s + 30), || {
        let view = system.control.trial(&id).ok()?;
        let evidence = view
            .running
            .map(|p| p.trial.reading.evidence)
            .unwrap_or_default();
        if evidence != shown && !evidence.is_empty() {
            say.progress(&evidence);
            shown = evidence;
        }
        view.record.outcome
    })
    .ok_or_else(|| Failure::new("the trial gave no verdict in its time"))
}

/// What somebody might insist on: it promises much, and the limit is far above any traffic, so nothing changes.
fn bad_change() -> Proposal {
    let path = ["routes", "checkout", "rate"].map(String::from).to_vec();
    let value = Some(serde_json::json!({ "limit": "100000/s", "key": "all" }));
    Proposal {
        id: "bad-change".into(),
        kind: "limit".into(),
        title: "limit checkouts to 100000/s (somebody insists that this halves their cost)".into(),
        evidence: "none: this is the change that should be rolled back".into(),
        change: Change::Patch {
            ops: vec![config::Op {
                path,
                value,
                base: None,
            }],
        },
        measures: "demand of checkout on lock.front.stock".into(),
        predicted: Effect::new(0.5, 0.4, 0.6),
        line: None,
        line_safe: None,
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the overlay".into(),
    }
}

/// Asks four times a second until there is an answer, for at most `time`.
fn wait_for<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > time {
            return None;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
