//! The thread of the export: makes requests of what waits, and tries them until they are taken or given up.

use super::grpc::Grpc;
use super::http::Http;
use super::{Parts, Shown};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Names, Nanos};
use config::Config;
use config::sections::{ExportOtlp, OtlpProtocol};
use otlp::decode::{Encoding, Signal};
use otlp::export::{self, Exchange, Lane, Resource, Said, Told, Value, Words};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Requests that are sent at once, with their attempts.
const BATCH: usize = 512;
/// Traces wait at most so long for others to go with.
const TURN: Duration = Duration::from_millis(500);
/// Of a try at the end: the process shall stop.
const LAST: Duration = Duration::from_secs(2);

enum Sender {
    Http(Http),
    Grpc(Grpc),
}

impl Sender {
    fn send(&mut self, signal: Signal, body: &[u8], timeout: Duration) -> Said {
        match self {
            Sender::Http(http) => http.send(signal, body, timeout),
            Sender::Grpc(grpc) => grpc.send(signal, body, timeout),
        }
    }
}

pub struct Work {
    otlp: ExportOtlp,
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
    queue: Receiver<Exchange>,
    shown: Arc<Shown>,
    sender: Sender,
    resource: Resource,
    /// Of the clock's zero, nanoseconds since the Unix epoch: everything is counted from then on.
    began: u64,
    traces: Lane,
    metrics: Lane,
    /// When metrics are sent next.
    due: Nanos,
}

impl Work {
    pub fn new(
        otlp: &ExportOtlp,
        parts: Parts,
        queue: Receiver<Exchange>,
        shown: Arc<Shown>,
    ) -> Work {
        Work {
            sender: match otlp.protocol {
                OtlpProtocol::Grpc => Sender::Grpc(Grpc::new(otlp, parts.runtime)),
                _ => Sender::Http(Http::new(otlp)),
            },
            resource: resource(&otlp.name),
            began: zero(parts.clock),
            due: Nanos(parts.clock.now().0 + otlp.interval.as_nanos() as u64),
            otlp: otlp.clone(),
            names: parts.names,
            clock: parts.clock,
            config: parts.config,
            queue,
            shown,
            traces: Lane::default(),
            metrics: Lane::default(),
        }
    }

    /// Until `stop` is set; then what is left has one more try.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let is_full = self.turn(self.otlp.timeout);
            if !is_full {
                std::thread::park_timeout(self.rest());
            }
        }
        self.due = Nanos::ZERO;
        let until = self.clock.now().0 + LAST.as_nanos() as u64;
        while self.turn(LAST) && self.clock.now().0 < until {}
    }

    /// To the next turn.
    fn rest(&self) -> Duration {
        let lanes = [self.traces.due(), self.metrics.due()];
        let next = lanes.into_iter().flatten().min();
        let wait = next.map_or(TURN, |at| at.since(self.clock.now()));
        wait.clamp(Duration::from_millis(10), TURN)
    }

    /// Whether there may be more to send at once.
    fn turn(&mut self, timeout: Duration) -> bool {
        let taken = if self.traces.is_free() {
            self.load_traces()
        } else {
            0
        };
        let now = self.clock.now();
        if now >= self.due {
            self.due = Nanos(now.0 + self.otlp.interval.as_nanos() as u64);
            self.load_metrics();
        }
        self.send(Signal::Traces, timeout);
        self.send(Signal::Metrics, timeout);
        self.shown.tell(&self.traces, &self.metrics);
        taken == BATCH
    }

    /// How many requests were taken out of the queue.
    fn load_traces(&mut self) -> usize {
        let batch: Vec<Exchange> = self.queue.try_iter().take(BATCH).collect();
        if batch.is_empty() {
            return 0;
        }
        self.shown.taken(batch.len());
        let templates = self.templates();
        let words = self.words(&templates);
        let spans: Vec<_> = (batch.iter())
            .flat_map(|x| export::spans(x, &words))
            .collect();
        let body = export::traces(&self.resource, &spans, self.encoding());
        let body = self.wrapped(body);
        self.traces.load(body, spans.len() as u64);
        batch.len()
    }

    fn load_metrics(&mut self) {
        let templates = self.templates();
        let words = self.words(&templates);
        let mut all = self.shown.meter().metrics(&words);
        all.extend(export::from_text(&self.shown.page()));
        let points: usize = all.iter().map(|m| m.data.points()).sum();
        if points == 0 {
            return;
        }
        let time = (self.began, words.at(self.clock.now()));
        let body = export::metrics(&self.resource, &all, time, self.encoding());
        let body = self.wrapped(body);
        self.metrics.load(body, points as u64);
    }

    fn templates(&self) -> HashMap<String, String> {
        let config = self.config.load();
        let of = |r: &config::Route| (r.name.clone(), r.matcher.path.to_string());
        config.routes.iter().map(of).collect()
    }

    fn words<'a>(&'a self, templates: &'a HashMap<String, String>) -> Words<'a> {
        Words {
            names: &self.names,
            templates,
            // Anew each time: the calendar's clock may be set.
            zero: zero(self.clock),
        }
    }

    fn encoding(&self) -> Encoding {
        match self.otlp.protocol {
            OtlpProtocol::Json => Encoding::Json,
            OtlpProtocol::Protobuf | OtlpProtocol::Grpc => Encoding::Protobuf,
        }
    }

    /// As it goes over the wire.
    fn wrapped(&self, message: Vec<u8>) -> Vec<u8> {
        match self.otlp.gzip.then(|| export::packed(&message)) {
            Some(Ok(packed)) => packed,
            _ => message,
        }
    }

    fn send(&mut self, signal: Signal, timeout: Duration) {
        let lane = match signal {
            Signal::Traces => &mut self.traces,
            _ => &mut self.metrics,
        };
        let Some(body) = lane.ready(self.clock.now()) else {
            return;
        };
        let said = self.sender.send(signal, body, timeout);
        let before = lane.wrong.clone();
        let told = lane.told(&said, self.clock.now(), random(), SystemTime::now());
        say(&self.otlp.endpoint, signal, before, told);
    }
}

/// Each change is said once; the counts tell how much it was.
fn say(to: &str, signal: Signal, before: Option<String>, told: Option<Told>) {
    let what = match signal {
        Signal::Traces => "traces",
        _ => "metrics",
    };
    match (told, before) {
        (Some(Told::Sent), Some(_)) => tracing::info!("{to} takes {what} again"),
        (Some(Told::Partly(n, why)), _) => {
            tracing::warn!("{to} rejected {n} parts of {what}: {why}");
        }
        (Some(Told::Waits(why)), before) if before.as_ref() != Some(&why) => {
            tracing::warn!("{to} does not take {what}: {why}; it is tried again");
        }
        (Some(Told::Lost(why)), before) if before.as_ref() != Some(&why) => {
            tracing::warn!("{what} for {to} are lost: {why}");
        }
        _ => {}
    }
}

/// From 0 to 1.
fn random() -> f64 {
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}

/// Of the clock's zero, nanoseconds since the Unix epoch.
pub fn zero(clock: Clock) -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall = wall.map_or(0, |d| d.as_nanos() as u64);
    wall.saturating_sub(clock.now().0)
}

/// Who sends. The instance is another one after each start, as its counts begin anew.
fn resource(name: &str) -> Resource {
    let random = || RandomState::new().hash_one(0u8);
    let host = rustix::system::uname();
    let all = [
        ("service.name", name.to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "service.instance.id",
            format!("{:016x}{:016x}", random(), random()),
        ),
        ("host.name", host.nodename().to_string_lossy().into_owned()),
    ];
    Resource {
        attributes: (all.into_iter())
            .map(|(key, v)| (key.into(), Value::Text(v)))
            .collect(),
        version: env!("CARGO_PKG_VERSION"),
    }
}
