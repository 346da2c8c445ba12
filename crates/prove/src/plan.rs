//! What to send, to whom, when, and for how long.

use config::sections::LoadRequest;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A load run. Everything in it is bounded; `check` says what is not.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: SocketAddr,
    /// Host header; `None`: the target's address.
    pub host: Option<String>,
    pub arrivals: Arrivals,
    /// Sent before the measurement, at its first rate; not in the report.
    pub warmup: Duration,
    /// Measured time.
    pub duration: Duration,
    pub mix: Vec<LoadRequest>,
    /// One per entry of `mix`, or one for all, or none.
    pub goals: Vec<Goal>,
    /// Most connections open at once, all threads together.
    pub connections: usize,
    /// Requests that wait for a connection, all threads together; beyond it they are given up and counted.
    pub backlog: usize,
    /// A request is given up this long after its intended send time.
    pub timeout: Duration,
    pub threads: usize,
    /// Pins thread i to `cpus[i % len]`; empty: not pinned.
    pub cpus: Vec<usize>,
    /// Added to every request.
    pub headers: Vec<(String, String)>,
    pub seed: u64,
}

/// When requests are sent.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// At a rate (requests per second), whatever the server does.
    Open {
        rate: f64,
        /// The rate at the end, reached in a straight line.
        ramp_to: Option<f64>,
        process: Process,
    },
    /// Each connection sends when its last response has come. Says nothing about how users would fare.
    Closed { connections: usize },
    /// At recorded times: seconds since the start, ascending, and the index into the mix.
    Recorded(Arc<[(f64, u16)]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Independent users: exponential gaps.
    Poisson,
    /// A metronome.
    Constant,
}

/// When a response is good: status below 500 and within `latency`; the share that must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    pub latency: Duration,
    /// 0.999 for 99.9 %.
    pub target: f64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("the mix is empty: give at least one request to send")]
    NoRequests,
    #[error("the mix has {0} requests; at most 256 are supported")]
    TooManyRequests(usize),
    #[error("request {index} ({path}): {why}")]
    Request {
        index: usize,
        path: String,
        why: String,
    },
    #[error("{what} is {value}; {hint}")]
    Value {
        what: &'static str,
        value: String,
        hint: &'static str,
    },
    #[error("cannot start the generator: {0}")]
    Start(String),
}

impl PlanError {
    pub(crate) fn request(index: usize, path: &str, why: impl ToString) -> PlanError {
        PlanError::Request {
            index,
            path: path.into(),
            why: why.to_string(),
        }
    }
}

/// Highest rate and longest run that are accepted; beyond them a slip of the keyboard is likelier than a wish.
const MAX_RATE: f64 = 1e6;
const MAX_RUN: Duration = Duration::from_secs(24 * 3600);
const MAX_CONNECTIONS: usize = 50_000;

impl Plan {
    /// One GET for all requests, 50 connections, Poisson arrivals.
    pub fn to(target: SocketAddr, path: &str, rate: f64, duration: Duration) -> Plan {
        Plan {
            target,
            host: None,
            arrivals: Arrivals::Open {
                rate,
                ramp_to: None,
                process: Process::Poisson,
            },
            warmup: Duration::ZERO,
            duration,
            mix: vec![get(path)],
            goals: Vec::new(),
            connections: 256,
            backlog: 100_000,
            timeout: Duration::from_secs(10),
            threads: 1,
            cpus: Vec::new(),
            headers: Vec::new(),
            seed: 1,
        }
    }

    /// The goal of a request of the mix.
    pub fn goal(&self, kind: usize) -> Option<Goal> {
        self.goals
            .get(kind)
            .or(match &self.goals[..] {
                [one] => Some(one),
                _ => None,
            })
            .copied()
    }

    /// # Errors
    /// The first value that makes no sense, with what would.
    pub fn check(&self) -> Result<(), PlanError> {
        let value = |ok: bool, what, value: String, hint| {
            if ok {
                Ok(())
            } else {
                Err(PlanError::Value { what, value, hint })
            }
        };
        if self.mix.is_empty() {
            return Err(PlanError::NoRequests);
        }
        if self.mix.len() > 256 {
            return Err(PlanError::TooManyRequests(self.mix.len()));
        }
        let rate_ok = |r: f64| r > 0.0 && r <= MAX_RATE;
        match &self.arrivals {
            Arrivals::Open { rate, ramp_to, .. } => {
                for r in [Some(*rate), *ramp_to].into_iter().flatten() {
                    value(
                        rate_ok(r),
                        "the rate",
                        format!("{r}/s"),
                        "it must be above 0 and at most 1000000/s",
                    )?;
                }
            }
            Arrivals::Closed { connections } => value(
                (1..=MAX_CONNECTIONS).contains(connections),
                "the number of closed-loop connections",
                connections.to_string(),
                "it must be 1 to 50000",
            )?,
            Arrivals::Recorded(times) => {
                value(
                    !times.is_empty(),
                    "the recording",
                    "empty".into(),
                    "it must hold at least one request",
                )?;
                value(
                    times
                        .iter()
                        .all(|t| t.0.is_finite() && t.0 >= 0.0 && (t.1 as usize) < self.mix.len())
                        && times.is_sorted_by(|a, b| a.0 <= b.0),
                    "the recording",
                    "out of order".into(),
                    "times must ascend from 0 and name requests of the mix",
                )?;
            }
        }
        let run = self.warmup.saturating_add(self.duration);
        value(
            !self.duration.is_zero() && run <= MAX_RUN,
            "the duration",
            format!("{run:?}"),
            "it must be above 0 and at most 24 h",
        )?;
        value(
            (1..=MAX_CONNECTIONS).contains(&self.connections),
            "connections",
            self.connections.to_string(),
            "it must be 1 to 50000",
        )?;
        value(
            (1..=256).contains(&self.threads),
            "threads",
            self.threads.to_string(),
            "it must be 1 to 256",
        )?;
        value(
            self.backlog <= 10_000_000,
            "the backlog",
            self.backlog.to_string(),
            "it must be at most 10000000",
        )?;
        value(
            !self.timeout.is_zero() && self.timeout <= Duration::from_secs(600),
            "the timeout",
            format!("{:?}", self.timeout),
            "it must be above 0 and at most 10 min",
        )?;
        value(
            self.cpus
                .iter()
                .all(|&c| c < rustix::thread::CpuSet::MAX_CPU),
            "a CPU to pin to",
            format!("{:?}", self.cpus),
            "give CPU numbers of this machine",
        )?;
        value(
            matches!(self.goals.len(), 0 | 1) || self.goals.len() == self.mix.len(),
            "the number of goals",
            self.goals.len().to_string(),
            "give none, one, or one for each request of the mix",
        )?;
        for goal in &self.goals {
            value(
                goal.target > 0.0 && goal.target < 1.0 && !goal.latency.is_zero(),
                "a goal",
                format!("{} within {:?}", goal.target, goal.latency),
                "its share must lie between 0 % and 100 %, its latency above 0",
            )?;
        }
        let weights: f64 = self.mix.iter().map(|r| r.weight).sum();
        value(
            weights > 0.0 && weights.is_finite() && self.mix.iter().all(|r| r.weight >= 0.0),
            "the sum of weights",
            weights.to_string(),
            "weights must not be negative, and one must be above 0",
        )
    }
}

/// A GET of `path` with weight 1.
pub fn get(path: &str) -> LoadRequest {
    LoadRequest {
        method: "GET".into(),
        path: path.into(),
        weight: 1.0,
        headers: Vec::new(),
        body: None,
        zipf: false,
    }
}
