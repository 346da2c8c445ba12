//! Planted bottlenecks: an application with one thing wrong, watched live, and the answer beside the truth.
//! `cargo xtask bench diagnosis` runs all of them; the tests answer from recordings of such runs.

pub mod around;
pub mod estimators;
pub mod judge;
mod live;
pub mod orders;
pub mod scenarios;
#[cfg(test)]
mod tests;

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
use scenarios::{Ask, Right, Scenario, World};
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
    /// Entry requests per second while it was watched.
    pub rate: f64,
    /// Share of the host's CPU in use meanwhile.
    pub host_cpu: f64,
    pub summary: String,
    pub verdict: Verdict,
    pub class: String,
    pub resource: Option<String>,
    pub routes: Vec<String>,
    pub confidence: f64,
    pub judged: Judged,
    /// What USE (the highest utilisation) would have named.
    pub most_utilised: Option<String>,
    pub line: Option<Line>,
    pub gain: Option<Gain>,
    pub estimates: Option<Estimates>,
}

/// The load line before any change, requests per second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub predicted: f64,
    pub safe: f64,
    pub measured: Option<f64>,
    pub seventy_percent: Option<f64>,
    pub usl: Option<f64>,
}

/// The load line once the planted capacity is lifted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gain {
    /// As the model was asked, or as it proposed.
    pub change: String,
    pub predicted: f64,
    pub measured: Option<f64>,
}

/// How one scenario is run.
pub struct Run<'a> {
    pub scenario: &'a Scenario,
    /// Where the recording is, or goes when nothing is there.
    pub out: &'a Path,
    pub seed: u64,
    /// Measure the lines too, with and without what is planted.
    pub truth: bool,
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
    let measured = match run.truth {
        true => line(run, &s.plant, s.rate / 0.4)?,
        false => None,
    };
    row.line = answer.line.as_ref().map(|l| Line {
        predicted: l.line,
        safe: l.safe,
        measured,
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
            measured: match run.truth {
                true => line(run, &lift.plant, predicted)?,
                false => None,
            },
        });
    }
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
    flow.stop();
    on.system.stop_recording()?;
    on.stop();
    Ok(())
}

/// The load line with something planted, found by bisection around what is expected.
fn line(run: &Run<'_>, plant: &World, expected: f64) -> Result<Option<f64>, Failure> {
    let on = Live::start(run, plant, false)?;
    let line = on.line(expected, run.seed);
    on.stop();
    line
}

fn row(run: &Run<'_>, answer: &Answer, history: &History) -> Row {
    let (s, d) = (run.scenario, &answer.diagnosis);
    Row {
        scenario: s.name.into(),
        what: s.what.into(),
        seed: run.seed,
        rate: s.rate,
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
        most_utilised: model::baseline::most_utilised(history)
            .map(|k| history.resources[k].name.clone()),
        line: None,
        gain: None,
        estimates: None,
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
