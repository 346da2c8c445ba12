//! The load generators that are compared: how each is started, and what its output says.

use super::cores::on;
use super::load::GENERATOR_CORE;
use super::stats::children_cpu_seconds;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub enum Generator<'a> {
    Plimsoll(&'a Path),
    Wrk,
    Oha,
    OhaUncorrected,
}

/// What a closed loop came to.
pub struct Closed {
    /// Requests per second.
    pub rps: f64,
    /// Share of a core that the generator's process used.
    pub cpu: f64,
}

/// Percentiles of an open loop, seconds. No p99: the generator doubts itself.
pub struct Open {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

impl Generator<'_> {
    /// # Errors
    /// The program is not there, and where it comes from.
    pub fn look(&self) -> Result<(), String> {
        let from = match self {
            Generator::Plimsoll(_) => "cargo build --release",
            Generator::Wrk => "Debian: apt-get install wrk",
            Generator::Oha | Generator::OhaUncorrected => "cargo install oha",
        };
        // wrk says its version with status 1: that it starts is enough.
        match Command::new(self.program()).arg("--version").output() {
            Ok(_) => Ok(()),
            Err(e) => Err(format!(
                "{} does not start: {e} ({from})",
                self.program().display()
            )),
        }
    }

    fn program(&self) -> &OsStr {
        match self {
            Generator::Plimsoll(path) => path.as_os_str(),
            Generator::Wrk => OsStr::new("wrk"),
            Generator::Oha | Generator::OhaUncorrected => OsStr::new("oha"),
        }
    }

    fn command(&self) -> Command {
        on(GENERATOR_CORE, self.program())
    }

    /// As fast as answers come.
    pub fn closed(&self, url: &str, connections: usize, time: Duration) -> Result<Closed, String> {
        let mut command = self.command();
        let seconds = format!("{}s", time.as_secs());
        match self {
            Generator::Wrk => {
                command.args(["-t1", "-c", &connections.to_string(), "-d", &seconds, url])
            }
            _ => command.args([
                "load",
                "--url",
                url,
                "--connections",
                &connections.to_string(),
                "--duration",
                &seconds,
                "--json",
            ]),
        };
        let (used, began) = (children_cpu_seconds(), Instant::now());
        let text = output(command)?;
        let cpu = (children_cpu_seconds() - used) / began.elapsed().as_secs_f64();
        let rps = match self {
            Generator::Wrk => wrk_rate(&text),
            _ => json(&text)?["report"]["rate_achieved"].as_f64(),
        };
        let rps = rps.ok_or_else(|| format!("no rate in the output:\n{text}"))?;
        Ok(Closed { rps, cpu })
    }

    /// At a fixed rate, whatever the server does.
    pub fn open(
        &self,
        url: &str,
        connections: usize,
        rate: f64,
        time: Duration,
    ) -> Result<Open, String> {
        let mut command = self.command();
        let connections = connections.to_string();
        let percentiles = if let Generator::Plimsoll(_) = self {
            command.args(["load", "--url", url, "--even", "--json"]);
            command.args(["--rate", &format!("{rate}/s")]);
            command.args(["--duration", &format!("{}s", time.as_secs())]);
            command.args(["--max-connections", &connections]);
            json(&output(command)?)?["report"]["latency"].take()
        } else {
            let n = (rate * time.as_secs_f64()).round().to_string();
            command.args(["--no-tui", "--output-format", "json", "-n", &n]);
            command.args(["-c", &connections, "-q", &rate.to_string()]);
            if let Generator::Oha = self {
                command.arg("--latency-correction");
            }
            command.arg(url);
            json(&output(command)?)?["latencyPercentiles"].take()
        };
        let at = |name: &str| percentiles[name].as_f64();
        if at("p50").is_none() {
            return Err(format!("no percentiles in the output: {percentiles}"));
        }
        Ok(Open {
            p50: at("p50"),
            p99: at("p99"),
        })
    }
}

fn output(mut command: Command) -> Result<String, String> {
    let out = command
        .output()
        .map_err(|e| format!("{command:?} does not start: {e}"))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{command:?} ended with {}: {said}", out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("not JSON ({e}): {text}"))
}

fn wrk_rate(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("Requests/sec:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_what_wrk_prints() {
        let text = "  177 requests in 1.00s\nRequests/sec:  36011.52\nTransfer/sec:      1.2MB\n";
        assert_eq!(wrk_rate(text), Some(36011.52));
        assert_eq!(wrk_rate("unable to connect"), None);
    }
}
