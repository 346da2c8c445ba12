//! The demo: the whole loop on a real application in about two minutes.
//!
//! It starts the shop, Plimsoll in front of it, and traffic; waits until the model has an answer; measures the load
//! line with a short ramp; tries the first proposal as a canary; measures again; and compares with what was promised.

mod host;
mod learn;
mod meter;
mod picture;
mod report;
mod say;
mod screen;
pub mod stage;
pub mod traffic;

use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::wire::system::{System, failure};
use config::Config;
use control::ports::Windows;
use control::proposal::{Change, Effect, Proposal};
use control::trial::{Times, TryOptions};
use host::HostCpu;
use model::Answer;
use picture::Stage;
use report::Outcome;
use say::Say;
use stage::{Plant, Ports, Scratch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use telemetry::recording::Limits;
use traffic::Traffic;

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Try a change that does not help, to see it rolled back.
    pub bad_change: bool,
    /// Bisect the load lines instead of a quick ramp (some minutes more).
    pub full: bool,
    /// Where to keep a recording of the time before the change.
    pub record: Option<PathBuf>,
    pub json: bool,
    pub seed: u64,
}

/// Requests per second while it learns: below 40 % of what the shop can carry.
const LEARNING_RATE: f64 = 60.0;
/// No load line above this is believed or measured: the shop is small.
const HIGHEST: f64 = 2000.0;
/// Above this share of the host's CPU the machine itself would be measured.
const HOST_LIMIT: f64 = 0.6;

pub fn run(demo: Demo) -> Result<Exit, Failure> {
    let interrupts = Interrupts::catch()?;
    let mut say = Say::new(demo.json, &interrupts)?;
    let scratch = Scratch::new()?;
    let ports = Ports::free()?;
    let binary = std::env::current_exe()?;
    say.step(
        Stage::Start,
        "starting the shop (three processes), Plimsoll in front of it, and traffic",
    );
    let text = stage::config_text(&ports, &scratch.0.join("data"), stage::SHOPPERS, &[]);
    let checked = config::check_text("the demo's config", &text);
    let Some(config) = checked.config else {
        return Err(failure(&checked.findings));
    };
    let system = System::start("demo", &text)?;
    let shop = stage::Stage::start(&binary, &ports, &Plant::slow_lock(), &scratch.0)?;
    let play = Play {
        demo,
        config,
        ports,
        system,
        interrupts,
        trial: [(); 2].map(|()| Arc::new(AtomicU64::new(u64::MAX))),
    };
    say.measure(play.meter());
    let outcome = play.acts(&mut say)?;
    let exit = if outcome.holds() { Exit::Ok } else { Exit::Not };
    say.table(&outcome);
    play.system.stop();
    drop(shop);
    Ok(exit)
}

/// What the acts share.
struct Play {
    demo: Demo,
    config: Config,
    ports: Ports,
    system: System,
    interrupts: Interrupts,
    /// The windows of the trial, from and until, for the live view.
    trial: [Arc<AtomicU64>; 2],
}

impl Play {
    fn acts(&self, say: &mut Say) -> Result<Outcome, Failure> {
        let steady = self.traffic(0)?;
        let (answer, proposals, p99) = self.learn(say)?;
        steady.stop();

        say.step(
            Stage::Before,
            "measuring the load line before the change (ramp)",
        );
        let expected = line(&answer).unwrap_or(2.0 * LEARNING_RATE);
        let before = self.limit(expected, 0)?;
        say.limit(false, &before);

        let proposal = match self.demo.bad_change {
            true => bad_change(),
            false => proposals[0].clone(),
        };
        say.step(
            Stage::Trial,
            &format!("canary: {} for half of the users", proposal.title),
        );
        let steady = self.traffic(1)?;
        let trial = self.trial(&proposal, say)?;
        say.note(trial.verdict.label());

        say.step(Stage::Relearn, "learning what requests cost now");
        let learned = self.learn_again(say)?;
        steady.stop();

        say.step(
            Stage::After,
            "measuring the load line after the trial (ramp)",
        );
        let now = learned.as_ref().ok().and_then(|l| line(&l.0));
        let after = self.limit(now.unwrap_or(expected), 2)?;
        say.limit(true, &after);
        Ok(Outcome {
            answer,
            proposal,
            trial,
            before,
            after,
            bad_change: self.demo.bad_change,
            learned,
            p99,
        })
    }

    /// Waits for the model's answer and its proposals; beside them the p99 that was measured meanwhile.
    fn learn(&self, say: &mut Say) -> Result<(Answer, Vec<Proposal>, Option<f64>), Failure> {
        let cpu = HostCpu::now();
        if let Some(folder) = &self.demo.record {
            self.system.record(folder, Limits::default())?;
        }
        say.step(Stage::Learn, "learning what requests cost");
        let answer = learn::first(&self.system, &self.interrupts, say)?;
        say.diagnosis(&answer);
        let busy = cpu.share_since();
        if busy > HOST_LIMIT {
            return Err(Failure::new(format!(
                "the host's CPU was {:.0} % busy while learning: on this machine the demo's result is not valid",
                busy * 100.0
            ))
            .help("stop other programs, or use a machine with more cores"));
        }
        let proposals = wait_for(Duration::from_secs(30), &self.interrupts, || {
            Some(self.system.control.advise().counsel.proposals.clone()).filter(|p| !p.is_empty())
        })?
        .ok_or_else(|| {
            Failure::new("the model proposes nothing")
                .help("run it again with --json and read the diagnosis")
        })?;
        say.proposals(&proposals);
        if self.demo.record.is_some() {
            let recorded = self.system.stop_recording()?;
            let folder = recorded.folder.display();
            say.note(&format!("recorded {} s to {folder}", recorded.seconds));
        }
        let history = self.system.windows().history(learn::LEARN.as_secs());
        let customer = meter::customer_routes(&history, &self.config);
        let p99 = meter::customers(&history.windows, &customer, None).quantile(0.99);
        Ok((answer, proposals.to_vec(), p99))
    }

    /// What holds after the trial, and the p99 measured meanwhile; or what is missing.
    fn learn_again(&self, say: &mut Say) -> Result<Result<(Answer, Option<f64>), String>, Failure> {
        let found = learn::again(&self.system, &self.interrupts, say)?;
        Ok(found.map(|(answer, history)| {
            let customer = meter::customer_routes(&history, &self.config);
            let p99 = meter::customers(&history.windows, &customer, None).quantile(0.99);
            (answer, p99)
        }))
    }

    /// Tries a proposal and waits for its verdict.
    fn trial(
        &self,
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
            override_reason: None,
        };
        let control = &self.system.control;
        let id = control
            .try_this(proposal.clone(), &options)
            .map_err(|f| failure(&f))?;
        // What the ramp has left in the queues ends while it settles.
        let now = || self.system.windows().index();
        self.trial[0].store(now() + times.settle_s, Ordering::Relaxed);
        let verdict = wait_for(
            Duration::from_secs(times.most_s + 30),
            &self.interrupts,
            || {
                let view = control.trial(&id).ok()?;
                if let Some(running) = view.running {
                    say.trial(&proposal.title, &running.trial.reading.evidence);
                }
                view.record.outcome
            },
        )?
        .ok_or_else(|| Failure::new("the trial gave no verdict in its time"));
        self.trial[1].store(now(), Ordering::Relaxed);
        verdict
    }

    fn traffic(&self, seed: u64) -> Result<Traffic, Failure> {
        let seed = self.demo.seed + seed;
        let plan = traffic::plan(&self.config, self.ports.listen, LEARNING_RATE, seed)?;
        Ok(Traffic::start(plan))
    }

    fn limit(&self, expected: f64, seed: u64) -> Result<prove::Limit, Failure> {
        let (at, full, seed) = (self.ports.listen, self.demo.full, self.demo.seed + seed);
        let found = traffic::limit(&self.config, at, expected, full, seed, &self.interrupts)?;
        ended(&self.interrupts)?;
        Ok(found)
    }

    fn meter(&self) -> screen::Meter {
        let (windows, config) = (self.system.windows(), self.config.clone());
        let trial = self.trial.clone();
        Box::new(move || {
            let [from, until] = [0, 1].map(|i: usize| trial[i].load(Ordering::Relaxed));
            let history = windows.history(180);
            let customer = meter::customer_routes(&history, &config);
            meter::numbers(&history, &customer, from..until)
        })
    }
}

/// The load line of an answer, where traffic can reach it.
fn line(answer: &Answer) -> Option<f64> {
    let line = answer.line.as_ref()?.line;
    (line > 1.0 && line < HIGHEST).then_some(line)
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
fn wait_for<T>(
    time: Duration,
    interrupts: &Interrupts,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<Option<T>, Failure> {
    let start = Instant::now();
    loop {
        ended(interrupts)?;
        if let Some(answer) = ask() {
            return Ok(Some(answer));
        }
        if start.elapsed() > time {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// An error once somebody asked for the end.
fn ended(interrupts: &Interrupts) -> Result<(), Failure> {
    match interrupts.count() {
        0 => Ok(()),
        _ => Err(Failure::new("the demo was ended before its result")),
    }
}
