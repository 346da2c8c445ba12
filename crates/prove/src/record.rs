//! Counts and histograms of one generator thread, and the timeline that can be watched while it runs.

use crate::plan::{Goal, Plan};
use base::Nanos;
use hdrhistogram::Histogram;
use http1::client::Response;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why a request has no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    Connect,
    /// Not answered within the plan's timeout, counted from the intended send time.
    Timeout,
    /// The connection ended or broke within the exchange.
    Closed,
    /// The response was no HTTP/1.1 message.
    Malformed,
    /// Never sent: all connections and the whole backlog were taken.
    Backlog,
    /// Still under way when the run was stopped early.
    Unfinished,
}

impl Failure {
    pub fn label(self) -> &'static str {
        match self {
            Failure::Connect => "connect",
            Failure::Timeout => "timeout",
            Failure::Closed => "closed",
            Failure::Malformed => "malformed",
            Failure::Backlog => "backlog",
            Failure::Unfinished => "unfinished",
        }
    }
}

/// One request that has come to its end.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub kind: usize,
    pub intended: Nanos,
    /// When its first byte was written; `None`: never.
    pub sent: Option<Nanos>,
    pub end: Nanos,
    pub result: Result<Response, Failure>,
}

/// Durations are counted in nanoseconds, three digits, up to an hour.
const LONGEST: u64 = 3_600_000_000_000;

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

pub(crate) fn count(h: &mut Histogram<u64>, d: Duration) {
    let ns = u64::try_from(d.as_nanos())
        .unwrap_or(LONGEST)
        .clamp(1, LONGEST);
    h.record(ns).expect("the histogram grows as needed");
}

/// What became of one kind of request.
#[derive(Clone, Debug)]
pub struct Kind {
    pub offered: u64,
    pub good: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub failures: BTreeMap<Failure, u64>,
    /// From the intended send time to the last byte, or to the moment when it was given up.
    pub latency: Histogram<u64>,
    /// From the actual send.
    pub service: Histogram<u64>,
    pub bytes: u64,
}

impl Kind {
    fn new() -> Kind {
        Kind {
            offered: 0,
            good: 0,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            latency: histogram(),
            service: histogram(),
            bytes: 0,
        }
    }

    pub(crate) fn add(&mut self, other: &Kind) {
        self.offered += other.offered;
        self.good += other.good;
        for (s, n) in &other.statuses {
            *self.statuses.entry(*s).or_default() += n;
        }
        for (f, n) in &other.failures {
            *self.failures.entry(*f).or_default() += n;
        }
        self.latency
            .add(&other.latency)
            .expect("histograms grow as needed");
        self.service
            .add(&other.service)
            .expect("histograms grow as needed");
        self.bytes += other.bytes;
    }
}

/// What happened in one stretch of time to one kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Meant to be sent in it.
    pub offered: u32,
    /// Of those, answered well so far.
    pub good: u32,
    /// Answered with a status below 500 in it, however late.
    pub ended: u32,
}

/// Buckets of equal width over the measured time, for each kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    pub width: Duration,
    pub kinds: usize,
    /// Bucket b of kind k is at `b * kinds + k`.
    buckets: Vec<Bucket>,
}

impl Timeline {
    /// Quarter seconds, or wider so that there are at most 2400 of them.
    pub fn new(duration: Duration, kinds: usize) -> Timeline {
        let width = (duration / 2400).max(Duration::from_millis(250));
        let n = duration.as_nanos().div_ceil(width.as_nanos()) as usize;
        Timeline {
            width,
            kinds,
            buckets: vec![Bucket::default(); n.max(1) * kinds],
        }
    }
    pub fn len(&self) -> usize {
        self.buckets.len() / self.kinds.max(1)
    }
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
    /// The sum over buckets `range` of one kind.
    pub fn sum(&self, range: std::ops::Range<usize>, kind: usize) -> Bucket {
        let mut sum = Bucket::default();
        for b in range.start..range.end.min(self.len()) {
            let x = self.buckets[b * self.kinds + kind];
            sum.offered += x.offered;
            sum.good += x.good;
            sum.ended += x.ended;
        }
        sum
    }
    /// The bucket of a time since the measurement began.
    pub fn at(&mut self, since: Duration, kind: usize) -> Option<&mut Bucket> {
        let b = (since.as_nanos() / self.width.as_nanos()) as usize;
        self.buckets.get_mut(b * self.kinds + kind)
    }
    pub(crate) fn add(&mut self, other: &Timeline) {
        for (a, b) in self.buckets.iter_mut().zip(&other.buckets) {
            a.offered += b.offered;
            a.good += b.good;
            a.ended += b.ended;
        }
    }
}

/// What can be watched from outside; warm-up included, except in the timeline.
#[derive(Clone, Debug)]
pub struct Live {
    pub timeline: Timeline,
    pub offered: u64,
    pub ended: u64,
    pub failed: u64,
}

/// One thread's record. Only what was meant to be sent in the measured span counts.
pub struct Recorder {
    from: Nanos,
    to: Nanos,
    goals: Vec<Option<Goal>>,
    pub kinds: Vec<Kind>,
    /// Delay of sends that the generator itself caused.
    pub lag: Histogram<u64>,
    pub backlog_max: usize,
    pub connects: u64,
    /// Answers that came within the measured span, whenever their requests were due.
    pub answers: u64,
    live: Arc<Mutex<Live>>,
}

impl Recorder {
    /// `zero` is the start of the warm-up.
    pub fn new(plan: &Plan, zero: Nanos) -> Recorder {
        let from = zero + plan.warmup;
        let kinds = plan.mix.len();
        Recorder {
            from,
            to: from + plan.duration,
            goals: (0..kinds).map(|k| plan.goal(k)).collect(),
            kinds: vec![Kind::new(); kinds],
            lag: histogram(),
            backlog_max: 0,
            connects: 0,
            answers: 0,
            live: Arc::new(Mutex::new(Live {
                timeline: Timeline::new(plan.duration, kinds),
                offered: 0,
                ended: 0,
                failed: 0,
            })),
        }
    }

    pub fn live(&self) -> Arc<Mutex<Live>> {
        self.live.clone()
    }

    fn measured(&self, at: Nanos) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// A request is due.
    pub fn offer(&mut self, kind: usize, intended: Nanos) {
        let measured = self.measured(intended);
        let mut live = lock(&self.live);
        live.offered += 1;
        if measured {
            self.kinds[kind].offered += 1;
            if let Some(b) = live.timeline.at(intended.since(self.from), kind) {
                b.offered += 1;
            }
        }
    }

    pub fn lag(&mut self, intended: Nanos, lag: Duration) {
        if self.measured(intended) {
            count(&mut self.lag, lag);
        }
    }

    pub fn end(&mut self, o: &Outcome) {
        let measured = self.measured(o.intended);
        let latency = o.end.since(o.intended);
        let answered = matches!(o.result, Ok(r) if r.status < 500);
        let good = answered && self.goals[o.kind].is_none_or(|g| latency <= g.latency);
        self.answers += u64::from(o.result.is_ok() && self.measured(o.end));
        let mut live = lock(&self.live);
        live.ended += 1;
        live.failed += u64::from(o.result.is_err());
        if answered
            && o.end >= self.from
            && let Some(b) = live.timeline.at(o.end.since(self.from), o.kind)
        {
            b.ended += 1;
        }
        if !measured {
            return;
        }
        if good && let Some(b) = live.timeline.at(o.intended.since(self.from), o.kind) {
            b.good += 1;
        }
        drop(live);
        let kind = &mut self.kinds[o.kind];
        kind.good += u64::from(good);
        match o.result {
            Ok(response) => {
                *kind.statuses.entry(response.status).or_default() += 1;
                kind.bytes += response.bytes;
                count(&mut kind.latency, latency);
                if let Some(sent) = o.sent {
                    count(&mut kind.service, o.end.since(sent));
                }
            }
            Err(failure) => {
                *kind.failures.entry(failure).or_default() += 1;
                // A request that was given up has waited at least this long: leaving it out would flatter.
                if matches!(failure, Failure::Timeout | Failure::Backlog) {
                    count(&mut kind.latency, latency);
                    if let Some(sent) = o.sent {
                        count(&mut kind.service, o.end.since(sent));
                    }
                }
            }
        }
    }

    /// The run was stopped: what has no end yet.
    pub fn close(&mut self) {
        for kind in &mut self.kinds {
            let ended: u64 = kind.statuses.values().chain(kind.failures.values()).sum();
            let left = kind.offered.saturating_sub(ended);
            if left > 0 {
                *kind.failures.entry(Failure::Unfinished).or_default() += left;
            }
        }
    }
}

/// A poisoned lock only means that a thread died: the numbers are still the numbers.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
