//! Planted bottlenecks: an application with one thing wrong, watched live, and the answer beside the truth.
//! `cargo xtask bench diagnosis` runs all of them; the tests answer from recordings of such runs.

pub mod around;
pub mod databases;
pub mod disks;
pub mod estimators;
mod group;
pub mod judge;
mod link;
mod live;
mod mix;
pub mod orders;
mod runner_up;
pub mod scenarios;
#[cfg(test)]
mod tests;
pub mod truth;

use crate::commands::recorded;
use crate::demo::traffic;
use crate::exit::Failure;
use crate::show::answer;
use base::History;
use estimators::Estimates;
use judge::Judged;
use live::Live;
use model::Answer;
use model::diagnose::Verdict;
use model::{Fit, advice};
use orders::Servers;
use scenarios::{Ask, Right, Scenario};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Before this, connections are made and the catalogue's pages are read for the first time.
const WARM: Duration = Duration::from_secs(5);

/// One scenario's result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub scenario: String,
    pub what: String,
    pub seed: u64,
    /// What is asked for: a constraint, or one of the answers that abstain.
    #[serde(default)]
    pub asks: String,
    /// Weights of the application's requests.
    #[serde(default)]
    pub mix: Vec<u32>,
    /// Entry requests per second while it was watched, and for how many seconds.
    pub rate: f64,
    #[serde(default)]
    pub seconds: u64,
    /// Share of the host's CPU in use meanwhile.
    pub host_cpu: f64,
    pub summary: String,
    pub verdict: Verdict,
    pub class: String,
    pub resource: Option<String>,
    pub routes: Vec<String>,
    pub confidence: f64,
    pub judged: Judged,
    /// What comes after the constraint, by the model.
    #[serde(default)]
    pub next: Option<String>,
    /// What is doubled instead of the planted limit, to see that it is not what holds the line down.
    #[serde(default)]
    pub runner_up: Option<String>,
    /// The change that the advice puts first.
    #[serde(default)]
    pub advice: Option<String>,
    #[serde(default)]
    pub named: Named,
    pub line: Option<Line>,
    pub gain: Option<Gain>,
    pub estimates: Option<Estimates>,
}

/// What others would have named from the same recording, and whether that is right.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Named {
    /// USE: the highest utilisation.
    pub most_utilised: Option<String>,
    pub most_utilised_right: bool,
    pub correlated: Option<String>,
    pub correlated_right: bool,
    /// By its z-score.
    pub deviant: Option<String>,
    pub deviant_right: bool,
}

/// The load line before any change, requests per second. `cargo xtask bench diagnosis` adds what is measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub predicted: f64,
    pub safe: f64,
    #[serde(default)]
    pub measured: Option<f64>,
    /// `X*`: where the constraint is full.
    #[serde(default)]
    pub saturation: Option<f64>,
    pub seventy_percent: Option<f64>,
    pub usl: Option<f64>,
}

/// The load line once the planted capacity is lifted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gain {
    /// As the model was asked, or as it proposed.
    pub change: String,
    pub predicted: f64,
    #[serde(default)]
    pub measured: Option<f64>,
}

/// How one scenario is run.
pub struct Run<'a> {
    pub scenario: &'a Scenario,
    /// Where the recording is, or goes when nothing is there.
    pub out: &'a Path,
    /// Of the traffic, and of the mix.
    pub seed: u64,
    /// What the order service works with.
    pub servers: Option<&'a Servers>,
}

pub fn run(run: &Run<'_>) -> Result<Row, Failure> {
    let s = run.scenario;
    if !run.out.exists() {
        watch(run)?;
    }
    let recorded = recorded::read(run.out)?;
    let (answer, fit) = answer::of_history(&recorded.history, &recorded.learn());
    let mut row = row(run, &answer, &recorded.history);
    let Some(fit) = fit.filter(|_| matches!(s.right, Right::Constraint { .. })) else {
        return Ok(row);
    };
    row.line = answer.line.as_ref().map(|l| Line {
        predicted: l.line,
        safe: l.safe,
        measured: None,
        saturation: answer.diagnosis.saturation,
        seventy_percent: model::baseline::seventy_percent(&recorded.history),
        usl: model::baseline::usl(&recorded.history)
            .map(|u| u.peak)
            .filter(|p| p.is_finite()),
    });
    row.estimates = estimators::compare(&recorded.history, &recorded.learn());
    if let Some(lift) = &s.lift
        && let Some((change, predicted)) = asked(&fit, lift.ask)?
    {
        row.gain = Some(Gain {
            change,
            predicted,
            measured: None,
        });
    }
    row.advice = advice::advise(&fit, &advice::Options::default())
        .proposals
        .into_iter()
        .next()
        .map(|p| p.title);
    Ok(row)
}

/// The change in words, and the line that the model expects after it; `None`: it does not propose it.
fn asked(fit: &Fit, ask: Ask) -> Result<Option<(String, f64)>, Failure> {
    let options = advice::Options::default();
    match ask {
        Ask::WhatIf(question) => {
            let found = model::whatif::whatif(fit, question, &options)
                .map_err(|f| recorded::refused(&f))?;
            Ok(Some((question.into(), found.after.line)))
        }
        Ask::Proposal(kind, words) => {
            let all = advice::advise(fit, &options).proposals;
            let found = all
                .into_iter()
                .find(|p| p.kind == kind && p.title.contains(words));
            Ok(found.map(|p| (p.title, p.predicted.after.value)))
        }
    }
}

/// Runs the scenario and records it.
fn watch(run: &Run<'_>) -> Result<(), Failure> {
    let s = run.scenario;
    let on = Live::start(run, &s.plant, s.blind)?;
    let flow = traffic::Traffic::start(on.plan(s.rate, run.seed)?);
    std::thread::sleep(WARM);
    on.system
        .record(run.out, telemetry::recording::Limits::default())?;
    std::thread::sleep(Duration::from_secs(s.seconds));
    let seen = flow.stop();
    on.system.stop_recording()?;
    on.stop();
    seen.map_or(Ok(()), |report| was_served(run, &report))
}

/// Of an application that died nothing is learned: its recording is no row.
fn was_served(run: &Run<'_>, report: &prove::Report) -> Result<(), Failure> {
    let failed: u64 = report.errors.values().sum();
    if 2 * failed <= report.offered {
        return Ok(());
    }
    // Whoever goes on with this run finds nothing that it could answer from.
    let _ = std::fs::remove_dir_all(run.out);
    Err(Failure::new(format!(
        "{}: {failed} of {} requests failed ({}): the application, or what it works with, has died",
        run.scenario.name,
        report.offered,
        report.errors.keys().cloned().collect::<Vec<_>>().join(", ")
    )))
}

fn row(run: &Run<'_>, answer: &Answer, history: &History) -> Row {
    let (s, d) = (run.scenario, &answer.diagnosis);
    Row {
        scenario: s.name.into(),
        what: s.what.into(),
        seed: run.seed,
        asks: asks(&s.right).into(),
        mix: truth::weights(run),
        rate: s.rate,
        seconds: s.seconds,
        host_cpu: host_cpu(history),
        summary: d.summary.clone(),
        verdict: d.verdict,
        class: d.class.label().into(),
        resource: d.constraint.as_ref().map(|c| c.resource.clone()),
        routes: d.constraint.as_ref().map_or_else(Vec::new, |c| {
            c.carriers.iter().map(|x| x.route.clone()).collect()
        }),
        confidence: d.confidence,
        judged: judge::judge(&s.right, d),
        next: d.next.as_ref().map(|n| n.resource.clone()),
        runner_up: runner_up::of(s.name).map(|r| r.resource.into()),
        advice: None,
        named: named(&s.right, history),
        line: None,
        gain: None,
        estimates: None,
    }
}

fn asks(right: &Right) -> &'static str {
    match right {
        Right::Constraint { .. } => "constraint",
        Right::HeldUp { .. } => "held up",
        Right::Unseen { .. } => "unseen resource",
        Right::Nothing => "no constraint",
        Right::TooLittle => "not enough evidence",
    }
}

fn named(right: &Right, history: &History) -> Named {
    let name = |k: Option<usize>| k.map(|k| history.resources[k].name.clone());
    let good = |name: &Option<String>| match right {
        Right::Constraint { resources, .. } => name
            .as_ref()
            .is_some_and(|n| resources.contains(&n.as_str())),
        // They always name something.
        _ => false,
    };
    let most_utilised = name(model::baseline::most_utilised(history));
    let correlated = name(model::baseline::most_correlated(history));
    let deviant = name(model::baseline::most_deviant(history));
    Named {
        most_utilised_right: good(&most_utilised),
        correlated_right: good(&correlated),
        deviant_right: good(&deviant),
        most_utilised,
        correlated,
        deviant,
    }
}

/// Mean share of the host's processors in use.
fn host_cpu(history: &History) -> f64 {
    let host = history.resources.iter().position(|r| r.name == "cpu.host");
    let cells = history.windows.iter().flat_map(|w| &w.resources);
    let (busy, all) = cells
        .filter(|c| host.is_some() && c.resource.get() == host)
        .fold((0.0, 0.0), |(b, n), c| {
            (b + c.busy, n + c.capacity.unwrap_or(0.0))
        });
    busy / f64::max(all, 1.0)
}
