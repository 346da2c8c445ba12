//! A bench for gates: one route to a service of two instances, and one request at a time, without sockets.

use crate::exchange::{Edits, Exchange, Facts, Head, ListHead, Reply};
use crate::gate::{Gate, Kept, Making, Moment, Slot, Step};
use crate::upstream::{Instance, Service};
use base::{Arm, InstanceIx, Nanos, RouteIx};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub struct Bench {
    pub route: config::Route,
    pub service: Arc<Service>,
    pub kept: Kept,
    pub ix: RouteIx,
    pub now: Nanos,
    /// When the gates are made.
    pub moment: Moment,
    pub identity: Option<config::sections::Identity>,
    pub traced: f64,
    pub replications: Vec<config::sections::Replication>,
    seed: std::cell::Cell<u64>,
}

/// A request after `enter`.
pub struct Run {
    pub head: ListHead,
    pub facts: Facts,
    pub slot: Slot,
    pub step: Step,
    pub now: Nanos,
}

impl Default for Bench {
    fn default() -> Self {
        let address = |i: u16| SocketAddr::from(([127, 0, 0, 1], 7000 + i));
        let instance = |i| Arc::new(Instance::new(InstanceIx(i), "s".into(), address(i).into()));
        Bench {
            route: config::Route {
                to: "s".into(),
                ..config::Route::named("r")
            },
            service: Arc::new(Service {
                name: "s".into(),
                instances: (0..2).map(instance).collect(),
                config: config::Service {
                    instances: (0..2).map(address).collect(),
                    ..config::Service::named("s")
                },
                near: Vec::new(),
                reads_from: Vec::new(),
                link: None,
            }),
            kept: Kept::default(),
            ix: RouteIx(3),
            now: Nanos(1),
            moment: Moment::default(),
            identity: None,
            traced: 0.0,
            replications: Vec::new(),
            seed: Default::default(),
        }
    }
}

impl Bench {
    pub fn service(&mut self, change: impl FnOnce(&mut config::Service)) {
        change(
            &mut Arc::get_mut(&mut self.service)
                .expect("not shared yet")
                .config,
        );
    }
    pub fn near(&mut self, near: &[bool]) {
        let service = Arc::get_mut(&mut self.service).expect("not shared yet");
        service.near = near.to_vec();
    }
    pub fn limit(&mut self, limit: Option<u32>) {
        self.service(|s| s.limit = limit);
    }
    pub fn wait(&mut self, wait: Duration) {
        self.service(|s| s.pool.wait = wait);
    }

    pub fn making(&self) -> Making<'_> {
        Making {
            route: &self.route,
            ix: self.ix,
            arm: Arm::BASE,
            service: &self.service,
            mirror: None,
            kept: &self.kept,
            identity: &self.identity,
            sessions: &[],
            replications: &self.replications,
            topics: &[],
            traced: self.traced,
            moment: self.moment,
        }
    }

    pub fn run(
        &self,
        gate: &dyn Gate,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Run {
        self.run_at(gate, method, target, headers, self.now)
    }

    pub fn run_at(
        &self,
        gate: &dyn Gate,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        now: Nanos,
    ) -> Run {
        self.start(gate, ListHead::new(method, target, headers), now, |_| {})
    }

    pub fn run_with(&self, gate: &dyn Gate, change: impl FnOnce(&mut Facts)) -> Run {
        self.start(gate, ListHead::new("GET", "/", &[]), self.now, change)
    }

    fn start(
        &self,
        gate: &dyn Gate,
        head: ListHead,
        now: Nanos,
        change: impl FnOnce(&mut Facts),
    ) -> Run {
        self.seed.set(self.seed.get() + 1);
        let start = if now < self.now { now } else { Nanos::ZERO };
        let mut facts = Facts::new(
            self.ix,
            IpAddr::from([127, 0, 0, 1]),
            start,
            self.seed.get(),
        );
        change(&mut facts);
        let mut slot = Slot::default();
        let step = gate.enter(
            &mut Exchange {
                head: Head::List(&head),
                facts: &mut facts,
            },
            &mut slot,
            now,
        );
        Run {
            head,
            facts,
            slot,
            step,
            now,
        }
    }

    pub fn resume(&self, gate: &dyn Gate, run: &mut Run, now: Nanos) -> Step {
        let mut x = Exchange {
            head: Head::List(&run.head),
            facts: &mut run.facts,
        };
        gate.resume(&mut x, &mut run.slot, now)
    }
}

/// `set name: value`, one text per edit.
pub fn edits(edits: &Edits) -> Vec<String> {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    edits
        .iter()
        .map(|e| match e {
            http1::Edit::Drop(n) => format!("drop {}: ", text(n)),
            http1::Edit::Set(n, v) => format!("set {}: {}", text(n), text(v)),
            http1::Edit::Append(n, v) => format!("append {}: {}", text(n), text(v)),
        })
        .collect()
}

/// The value of a reply's header; empty without it.
pub fn header(reply: &Reply, name: &str) -> String {
    let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
    let is = |n: &str| n.eq_ignore_ascii_case(name);
    let added = reply.headers.iter().find(|(n, _)| is(n));
    if let Some((_, value)) = added {
        return text(value);
    }
    let lines = text(&[&reply.stored[..], &reply.said].concat());
    let mut lines = lines.lines().filter_map(|l| l.split_once(": "));
    let found = lines.find(|(n, _)| is(n));
    found.map_or(String::new(), |(_, v)| v.to_owned())
}
