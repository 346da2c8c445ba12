//! `cargo xtask bench cache`: the public HTTP cache tests (npm `http-cache-tests`) against a Plimsoll that caches every
//! route, and the list of those that must pass.

mod score;
mod suite;

use score::Score;
use std::path::Path;

/// Tests that pass; one that does not any more is a regression.
const PASSES: &str = include_str!("passes.txt");

/// How a run went.
pub enum Outcome {
    Scored(Score),
    /// Something of the machine is missing: nothing was tested.
    Skipped(String),
}

/// Runs the suite and prints its page; the regressions are an error.
pub fn run(plimsoll: &Path) -> Result<String, String> {
    match suite::run(plimsoll)? {
        Outcome::Skipped(why) => Ok(skipped(&why)),
        Outcome::Scored(score) => {
            println!("{}", score.page());
            let said = judge(&score)?;
            Ok(said)
        }
    }
}

/// As part of the tests: short when all is well, loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    match suite::run(plimsoll)? {
        Outcome::Skipped(why) => eprintln!("{}", skipped(&why)),
        Outcome::Scored(score) => eprintln!("{}; {}", score.line(), judge(&score)?),
    }
    Ok(())
}

fn skipped(why: &str) -> String {
    format!("SKIPPED, NOT PASSED: the HTTP cache tests did not run: {why}")
}

fn judge(score: &Score) -> Result<String, String> {
    let (lost, new) = score.against(PASSES);
    if !lost.is_empty() {
        return Err(format!(
            "HTTP cache tests that passed before: {} (each answer is in {}/{})",
            lost.join(", "),
            suite::FOLDER,
            suite::LOG
        ));
    }
    Ok(match new.is_empty() {
        true => "no regression".to_owned(),
        false => format!(
            "no regression; new, to be added to bench/src/cache/passes.txt: {}",
            new.join(" ")
        ),
    })
}
