//! The answers from recordings of the planted scenarios, as `plimsoll example planted` made them.
//! `scenarios.rs` is the table of what counts as right; `row.json` beside a recording has the line that was measured.

use super::scenarios::{self, Right, Scenario};
use super::{Row, judge};
use crate::commands::recorded;
use crate::show::answer;
use model::diagnose::{Options, diagnose_history};
use std::path::PathBuf;

/// A predicted line may be this far from the measured one, which itself is good to 5 %.
const LINE: f64 = 0.2;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(name)
}

/// Those whose recording is kept.
fn recorded_ones() -> Vec<Scenario> {
    let kept = |s: &Scenario| folder(s.name).exists();
    let all: Vec<_> = scenarios::all().into_iter().filter(kept).collect();
    assert!(all.len() >= 11, "the shop's are all kept");
    all
}

#[test]
fn every_planted_bottleneck_is_named_from_its_recording() {
    let mut wrong = Vec::new();
    for s in recorded_ones() {
        let recorded = recorded::read(&folder(s.name)).unwrap();
        let (d, _) = diagnose_history(&recorded.history, &recorded.learn(), &Options::default());
        println!("{:12} {}", s.name, d.summary);
        // What was watched is what the table promises.
        assert!(
            d.constraint.as_ref().is_none_or(|c| c.utilisation <= 0.4),
            "{}",
            d.summary
        );
        let judged = judge::judge(&s.right, &d);
        if !judged.all() {
            wrong.push(format!("{}: {judged:?}: {}", s.name, d.summary));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_line_predicted_from_a_recording_is_near_the_measured_one() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for s in recorded_ones() {
        let Right::Constraint { .. } = s.right else {
            continue;
        };
        let text = std::fs::read_to_string(folder(s.name).join("row.json")).unwrap();
        let row: Row = serde_json::from_str(&text).unwrap();
        // The line of some of them has not been measured yet; `bench/diagnosis.md` says which.
        let Some(measured) = row.line.and_then(|l| l.measured) else {
            continue;
        };
        compared += 1;
        let recorded = recorded::read(&folder(s.name)).unwrap();
        let (answer, _) = answer::of_history(&recorded.history, &recorded.learn());
        let predicted = answer.line.unwrap().line;
        let error = predicted / measured - 1.0;
        println!(
            "{:12} {predicted:.0}/s predicted, {measured:.0}/s measured: {:+.0} %",
            s.name,
            100.0 * error
        );
        if error.abs() > LINE {
            wrong.push(format!("{}: {:+.0} %", s.name, 100.0 * error));
        }
    }
    assert!(compared > 0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
