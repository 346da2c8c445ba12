//! `plimsoll doctor`: whether what Plimsoll stands on is as it should be: engines, disk, files, clock. Changes nothing.

mod disk;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
mod stores;

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
    all.extend(stores::checks(&config));
    all.extend(of_engines(&config, args.durable));
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

fn of_engines(config: &Config, durable: bool) -> Vec<Check> {
    let engines = &config.engines;
    if engines.shared.is_none() && engines.durable.is_none() {
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
    let mut all = Vec::new();
    if engines.shared.is_some() {
        // Where another engine keeps what must not be lost, this one has limits and leases only.
        all.extend(shared(config, durable && engines.durable.is_none()));
    }
    if engines.durable.is_some() {
        all.extend(kept(config, durable));
    }
    all
}

#[cfg(feature = "redis")]
fn shared(config: &Config, durable: bool) -> Vec<Check> {
    redis::checks(config, durable)
}

#[cfg(not(feature = "redis"))]
fn shared(_config: &Config, _durable: bool) -> Vec<Check> {
    Vec::new()
}

#[cfg(feature = "nats")]
fn kept(config: &Config, durable: bool) -> Vec<Check> {
    nats::checks(config, durable)
}

#[cfg(not(feature = "nats"))]
fn kept(_config: &Config, _durable: bool) -> Vec<Check> {
    Vec::new()
}

/// Clocks further apart than this are told, and than that are wrong, seconds.
#[cfg(any(feature = "nats", feature = "redis"))]
const APART_S: f64 = 0.25;
#[cfg(any(feature = "nats", feature = "redis"))]
const TOO_FAR_S: f64 = 5.0;

/// An engine's clock beside this host's; the difference is known to half of what the answer took.
#[cfg(any(feature = "nats", feature = "redis"))]
fn clock(ahead_s: f64, took: std::time::Duration) -> Check {
    let known_s = took.as_secs_f64() / 2.0;
    let text = format!(
        "the engine's clock is {ahead_s:+.3} s from this host's (known to {:.1} ms)",
        1e3 * known_s
    );
    let (grade, advice) = match ahead_s.abs() - known_s {
        a if a > TOO_FAR_S => (Grade::Wrong, true),
        a if a > APART_S => (Grade::Note, true),
        _ => (Grade::Good, false),
    };
    let advice = match advice {
        true => ": have both follow NTP; what expires does so by either",
        false => "",
    };
    Check::new("clock", grade, text + advice)
}
