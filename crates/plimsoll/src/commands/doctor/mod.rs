//! `plimsoll doctor`: whether what Plimsoll stands on is as it should be: engines, disk, files, clock. Changes nothing.

mod disk;
#[cfg(feature = "redis")]
mod engine;

use crate::cli::doctor::DoctorArgs;
use crate::commands::run::too_few;
use crate::exit::{Exit, Failure};
use crate::wire::engines;
use config::Config;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Good,
    /// It works, and may surprise.
    Note,
    /// What was configured, or asked for, does not hold.
    Wrong,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub about: &'static str,
    pub grade: Grade,
    pub text: String,
}

impl Check {
    fn new(about: &'static str, grade: Grade, text: impl Into<String>) -> Check {
        let text = text.into();
        Check { about, grade, text }
    }
}

pub fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    let file = args.config.path();
    let checked = config::check(&file);
    let Some(config) = checked.config else {
        return Err(Failure::new("the config is not good").help("`plimsoll check` shows why"));
    };
    let mut all = vec![files(&config)];
    all.extend(disk::checks(&config));
    all.extend(shared(&config, args.durable));
    let worst = all.iter().map(|c| c.grade).max().unwrap_or(Grade::Good);
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "ok": worst != Grade::Wrong, "checks": all })
        );
    } else {
        for c in &all {
            let grade = match c.grade {
                Grade::Good => "good",
                Grade::Note => "note",
                Grade::Wrong => "WRONG",
            };
            println!("{grade:<6}{:<12}{}", c.about, c.text);
        }
    }
    Ok(match worst {
        Grade::Wrong => Exit::Not,
        _ => Exit::Ok,
    })
}

/// `run` raises the soft limit to the hard one.
fn files(config: &Config) -> Check {
    let hard = getrlimit(Resource::Nofile).maximum;
    match too_few(hard, config.limits.connections) {
        Some(few) => Check::new("files", Grade::Wrong, few),
        None => {
            let many = hard.map_or("any number of".to_owned(), |n| n.to_string());
            let most = config.limits.connections;
            let text = format!("{many} may be open, enough for {most} connections");
            Check::new("files", Grade::Good, text)
        }
    }
}

fn shared(config: &Config, durable: bool) -> Vec<Check> {
    if config.engines.shared.is_none() {
        let text = "none is configured: this node shares nothing";
        return match durable {
            true => vec![Check::new("engine", Grade::Wrong, text)],
            false => vec![Check::new("engine", Grade::Good, text)],
        };
    }
    let wrong = engines::check(config);
    if !wrong.is_empty() {
        let wrong = wrong
            .iter()
            .map(|f| Check::new("engine", Grade::Wrong, f.to_string()));
        return wrong.collect();
    }
    asked(config, durable)
}

#[cfg(feature = "redis")]
fn asked(config: &Config, durable: bool) -> Vec<Check> {
    engine::checks(config, durable)
}

#[cfg(not(feature = "redis"))]
fn asked(_config: &Config, _durable: bool) -> Vec<Check> {
    Vec::new()
}
