//! What a run came to.

use crate::own::{self, Own};
use crate::plan::{Arrivals, Plan, Process};
use crate::record::{Kind, Recorder, Timeline, histogram};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything about the measured span; seconds throughout.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub target: String,
    pub arrivals: String,
    pub seed: u64,
    pub measured_s: f64,
    /// Stopped before its time; then the counts are those until the stop.
    pub stopped: bool,
    /// Meant to be sent, and how many of them per second.
    pub offered: u64,
    pub rate_offered: f64,
    /// Of the offered, answered with any status, however late.
    pub completed: u64,
    /// Answers per second that came within the span: what the service carried.
    pub rate_achieved: f64,
    /// Share of the offered that failed or got a status of 500 or more.
    pub error_share: f64,
    /// Share of the offered that was good, when there are goals.
    pub good_share: Option<f64>,
    pub statuses: BTreeMap<u16, u64>,
    pub errors: BTreeMap<String, u64>,
    pub bytes: u64,
    /// From the intended send time: what users would have felt. With requests that were given up.
    pub latency: Summary,
    /// From the actual send: what the server took, flattering when it stalls.
    pub service_time: Summary,
    pub kinds: Vec<KindReport>,
    pub generator: Generator,
    /// Whether the tail can be believed; if not, why, and it is left out. In JSON `doubt`: the reason, or null.
    #[serde(rename = "doubt", serialize_with = "doubt")]
    pub trust: Result<(), String>,
    /// The latency with its tail, believed or not, and what decides that: for [`crate::verdict`].
    #[serde(skip)]
    pub(crate) whole: Summary,
    #[serde(skip)]
    pub own: Own,
    #[serde(skip)]
    pub timeline: Timeline,
}

#[derive(Clone, Debug, Serialize)]
pub struct KindReport {
    pub request: String,
    pub offered: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub errors: BTreeMap<String, u64>,
    pub error_share: f64,
    pub good_share: Option<f64>,
    pub latency: Summary,
    pub service_time: Summary,
}

/// The generator's own part.
#[derive(Clone, Debug, Serialize)]
pub struct Generator {
    pub threads: usize,
    /// Busiest thread's share of one CPU.
    pub cpu: f64,
    pub lag_p50_s: f64,
    pub lag_p99_s: f64,
    pub connects: u64,
    /// Most requests that waited for a connection at once.
    pub backlog_max: usize,
}

/// Percentiles in seconds, within 0.1 %; empty when nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub count: u64,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    /// From here on only when the generator can be trusted.
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
}

impl Summary {
    fn new(h: &Histogram<u64>, trusted: bool) -> Summary {
        let some = |v: f64| (!h.is_empty()).then_some(v / 1e9);
        let at = |q| some(h.value_at_quantile(q) as f64);
        let tail = |v: Option<f64>| v.filter(|_| trusted);
        Summary {
            count: h.len(),
            mean: some(h.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: tail(at(0.99)),
            p999: tail(at(0.999)),
            max: tail(some(h.max() as f64)),
        }
    }
}

/// The threads' records, joined.
pub(crate) struct Totals {
    kinds: Vec<Kind>,
    lag: Histogram<u64>,
    timeline: Timeline,
    cpu: f64,
    connects: u64,
    answers: u64,
    backlog_max: usize,
    ran: Duration,
    pub stopped: bool,
}

impl Totals {
    pub fn new(plan: &Plan) -> Totals {
        Totals {
            kinds: Recorder::new(plan, base::Nanos::ZERO).kinds,
            lag: histogram(),
            timeline: Timeline::new(plan.duration, plan.mix.len()),
            cpu: 0.0,
            connects: 0,
            answers: 0,
            backlog_max: 0,
            ran: Duration::ZERO,
            stopped: false,
        }
    }

    pub fn add(&mut self, r: &Recorder, cpu: Option<Duration>, ran: Duration, timeline: &Timeline) {
        for (a, b) in self.kinds.iter_mut().zip(&r.kinds) {
            a.add(b);
        }
        self.lag.add(&r.lag).expect("histograms grow as needed");
        self.timeline.add(timeline);
        self.connects += r.connects;
        self.answers += r.answers;
        self.backlog_max += r.backlog_max;
        self.ran = self.ran.max(ran);
        if let Some(cpu) = cpu {
            self.cpu = self
                .cpu
                .max(cpu.as_secs_f64() / ran.as_secs_f64().max(1e-3));
        }
    }

    pub fn report(&self, plan: &Plan) -> Report {
        let mut all = Kind::clone(&self.kinds[0]);
        self.kinds[1..].iter().for_each(|k| all.add(k));
        let lag = |q| Duration::from_nanos(self.lag.value_at_quantile(q));
        let own = Own {
            lag_p99: lag(0.99),
            cpu: self.cpu,
            p50: Duration::from_nanos(all.latency.value_at_quantile(0.5)),
        };
        let trust = own::judge(&own);
        let trusted = trust.is_ok();
        let measured = if self.stopped {
            self.ran.saturating_sub(plan.warmup).min(plan.duration)
        } else {
            plan.duration
        };
        let seconds = measured.as_secs_f64().max(1e-3);
        let completed: u64 = all.statuses.values().sum();
        let kinds = self.kinds.iter().enumerate().map(|(i, k)| KindReport {
            request: format!("{} {}", plan.mix[i].method, plan.mix[i].path),
            offered: k.offered,
            statuses: k.statuses.clone(),
            errors: errors(k),
            error_share: error_share(k),
            good_share: good_share(k, plan.goal(i).is_some()),
            latency: Summary::new(&k.latency, trusted),
            service_time: Summary::new(&k.service, trusted),
        });
        Report {
            target: plan.target.to_string(),
            arrivals: describe(&plan.arrivals),
            seed: plan.seed,
            measured_s: seconds,
            stopped: self.stopped,
            offered: all.offered,
            rate_offered: all.offered as f64 / seconds,
            completed,
            rate_achieved: self.answers as f64 / seconds,
            error_share: error_share(&all),
            good_share: good_share(&all, !plan.goals.is_empty()),
            errors: errors(&all),
            bytes: all.bytes,
            latency: Summary::new(&all.latency, trusted),
            service_time: Summary::new(&all.service, trusted),
            kinds: kinds.collect(),
            generator: Generator {
                threads: plan.threads,
                cpu: self.cpu,
                lag_p50_s: lag(0.5).as_secs_f64(),
                lag_p99_s: lag(0.99).as_secs_f64(),
                connects: self.connects,
                backlog_max: self.backlog_max,
            },
            trust,
            whole: Summary::new(&all.latency, true),
            own,
            timeline: self.timeline.clone(),
            statuses: all.statuses,
        }
    }
}

fn doubt<S: serde::Serializer>(trust: &Result<(), String>, to: S) -> Result<S::Ok, S::Error> {
    trust.as_ref().err().serialize(to)
}

fn errors(k: &Kind) -> BTreeMap<String, u64> {
    k.failures
        .iter()
        .map(|(f, n)| (f.label().to_owned(), *n))
        .collect()
}

fn error_share(k: &Kind) -> f64 {
    let bad: u64 = k
        .statuses
        .range(500..)
        .map(|(_, n)| n)
        .chain(k.failures.values())
        .sum();
    bad as f64 / (k.offered as f64).max(1.0)
}

fn good_share(k: &Kind, has_goal: bool) -> Option<f64> {
    (has_goal && k.offered > 0).then(|| k.good as f64 / k.offered as f64)
}

fn describe(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Open {
            rate,
            ramp_to,
            process,
        } => {
            let ramp = ramp_to.map_or(String::new(), |to| format!(" to {to:.1}/s"));
            let how = match process {
                Process::Poisson => "Poisson",
                Process::Constant => "constant",
            };
            format!("open, {rate:.1}/s{ramp}, {how}")
        }
        Arrivals::Closed { connections } => format!("closed, {connections} connections"),
        Arrivals::Recorded(times) => format!("recorded, {} requests", times.len()),
    }
}
