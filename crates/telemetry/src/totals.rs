//! Counts since start, per route, arm and status class: what the exporter shows. Bounded by its keys.

use base::buckets::{PARTS, SUB, part};
use base::{Arm, Outcome, RouteIx, Sample, SampleKind};
use std::collections::BTreeMap;

const KEYS: usize = 4096;

/// Status class: 0 none, 1 to 5 by hundreds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub route: RouteIx,
    pub arm: Arm,
    pub class: u8,
}

#[derive(Clone, Debug)]
pub struct Latency {
    /// By part of a bucket; the last one is above all bounds.
    pub parts: [u64; PARTS],
    pub sum: f64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            parts: [0; PARTS],
            sum: 0.0,
        }
    }
}

impl Latency {
    fn record(&mut self, seconds: f64) {
        self.parts[part(seconds)] += 1;
        self.sum += seconds;
    }
    pub fn count(&self) -> u64 {
        self.parts.iter().sum()
    }
    /// By bucket, not cumulative; the last one is above all bounds.
    pub fn buckets(&self) -> impl Iterator<Item = u64> + '_ {
        self.parts.chunks(SUB).map(|parts| parts.iter().sum())
    }
}

/// Why an attempt failed, as far as a sample tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Connect failed, reset or garbage.
    NoAnswer,
    /// The deadline passed first.
    Deadline,
    /// No instance or connection was to be had.
    Unavailable,
    /// The instance answered with a status of 500 or more.
    Status,
}

impl Failure {
    pub fn label(self) -> &'static str {
        match self {
            Failure::NoAnswer => "no_answer",
            Failure::Deadline => "deadline",
            Failure::Unavailable => "unavailable",
            Failure::Status => "status_5xx",
        }
    }
}

/// Everything counted since start.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub requests: BTreeMap<Key, u64>,
    pub latency: BTreeMap<(RouteIx, Arm), Latency>,
    pub failures: BTreeMap<(RouteIx, Failure), u64>,
    pub refused: BTreeMap<RouteIx, u64>,
    /// Exchanges that no client waited for.
    pub behind: BTreeMap<RouteIx, u64>,
    /// Requests of a route (second) that those of another (first) caused.
    pub calls: BTreeMap<(RouteIx, RouteIx), u64>,
    /// By route, arm and bucket of latency: the last request whose trace is recorded, and how long it took, seconds.
    pub exemplars: BTreeMap<(RouteIx, Arm, u8), (u128, f64)>,
    pub attempts: u64,
    pub samples: u64,
}

/// The entry of a bounded map; what does not fit is counted at `other`.
fn entry<K: Ord + Copy, V: Default>(map: &mut BTreeMap<K, V>, key: K, other: K) -> &mut V {
    let full = map.len() >= KEYS && !map.contains_key(&key);
    map.entry(if full { other } else { key }).or_default()
}

impl Totals {
    pub fn push(&mut self, s: &Sample) {
        self.samples += 1;
        let none = RouteIx::NONE;
        if s.kind == SampleKind::Attempt {
            self.attempts += 1;
            let failed = s.outcome == Outcome::UpstreamFailed;
            let failure = match s.status {
                504 if failed => Some(Failure::Deadline),
                503 if failed => Some(Failure::Unavailable),
                _ if failed => Some(Failure::NoAnswer),
                500.. => Some(Failure::Status),
                _ => None,
            };
            if let Some(f) = failure {
                *entry(&mut self.failures, (s.route, f), (none, f)) += 1;
            }
            return;
        }
        if s.behind {
            *entry(&mut self.behind, s.route, none) += 1;
            return;
        }
        let class = (s.status / 100).min(9) as u8;
        let key = |route| Key {
            route,
            arm: s.arm,
            class: if class > 5 { 0 } else { class },
        };
        *entry(&mut self.requests, key(s.route), key(none)) += 1;
        if !s.parent.is_none() {
            *entry(&mut self.calls, (s.parent, s.route), (none, none)) += 1;
        }
        if s.outcome == Outcome::Refused {
            *entry(&mut self.refused, s.route, none) += 1;
        }
        if s.outcome != Outcome::Stream {
            let took = s.seconds();
            entry(&mut self.latency, (s.route, s.arm), (none, s.arm)).record(took);
            if s.recorded {
                let bucket = (part(took) / SUB) as u8;
                let other = (none, s.arm, bucket);
                *entry(&mut self.exemplars, (s.route, s.arm, bucket), other) = (s.trace, took);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Nanos;

    #[test]
    fn counted_by_class_and_reason_within_bounds() {
        let mut t = Totals::default();
        let mut s = Sample::new(SampleKind::Request, RouteIx(1), Nanos::ZERO);
        s.end = Nanos::from_secs_f64(0.001);
        for status in [200, 204, 503, 0, 999] {
            s.status = status;
            t.push(&s);
        }
        let class = |class| {
            t.requests.get(&Key {
                route: RouteIx(1),
                arm: Arm::BASE,
                class,
            })
        };
        assert_eq!(
            (class(2), class(5), class(0)),
            (Some(&2), Some(&1), Some(&2))
        );
        let l = &t.latency[&(RouteIx(1), Arm::BASE)];
        assert_eq!(
            (l.buckets().next(), l.count()),
            (Some(5), 5),
            "a bound counts its own value"
        );
        s.kind = SampleKind::Attempt;
        s.status = 504;
        t.push(&s);
        s.outcome = Outcome::UpstreamFailed;
        t.push(&s);
        assert_eq!(t.failures[&(RouteIx(1), Failure::Deadline)], 1);
        assert_eq!(t.failures[&(RouteIx(1), Failure::Status)], 1);
        s.kind = SampleKind::Request;
        s.behind = true;
        t.push(&s);
        assert_eq!(t.requests.values().sum::<u64>(), 5, "a delivery is none");
        assert_eq!(t.behind[&RouteIx(1)], 1);
        s.behind = false;
        assert!(t.calls.is_empty());
        for r in 0..10_000 {
            s.route = RouteIx(r);
            s.parent = RouteIx(1);
            t.push(&s);
        }
        assert!(t.requests.len() <= KEYS + 1 && t.latency.len() <= KEYS + 1);
        assert_eq!(t.calls[&(RouteIx(1), RouteIx(7))], 1);
        assert!(t.calls.len() <= KEYS + 1);
    }
}
