//! Traces kept on our own disk: requests that telemetry's tap picks, with the spans and log lines that services send of them.
//!
//! Traffic threads never touch it. Telemetry's thread puts requests into a queue and drops what finds no room; the receiver puts
//! spans and lines into `Hold`; one thread takes its turn once a second and is the only one that writes.

mod disk;
mod places;
mod shown;

pub use self::shown::{Kept, NoTraces};

use self::disk::Disk;
use crate::wire::export::zero;
use crate::wire::thread::Thread;
use ::traces::{Head, Span, TEXT, Wanted, cut};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Names, Nanos, Sample, SampleKind};
use config::Config;
use config::sections::Traces;
use control::ports::{SystemWall, Wall};
use otlp::export::{Exchange, Sent, Value, Words};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// In `data_dir`.
pub const FILE: &str = "traces.db";
/// Requests that wait for a turn; more are dropped, and counted. So many are kept in a second at most.
const QUEUE: usize = 1024;
/// Traces that are known not to be kept, likewise; of what is dropped, spans wait a minute in vain.
const GONE: usize = 8192;
/// From turn to turn: what a crash loses, and at most the few seconds for which an open trace is not written again.
const TURN: Duration = Duration::from_secs(1);
/// The gateway's spans have this service.
const OWN: &str = "plimsoll";
/// Attributes of our own spans that the rest of a trace tells already.
const TOLD: [&str; 5] = [
    "http.request.method",
    "http.route",
    "url.scheme",
    "plimsoll.route",
    "plimsoll.kept",
];

/// Where telemetry's thread puts requests.
pub struct Sink {
    exchanges: SyncSender<Exchange>,
    gone: SyncSender<u128>,
    /// Services send spans here.
    services: bool,
    kept: Arc<Kept>,
}

impl Sink {
    pub fn hear(&self, s: &Sample, kept: Option<&Exchange>) {
        if let Some(x) = kept {
            if x.details.is_none() {
                self.kept.bare();
            }
            if self.exchanges.try_send(x.clone()).is_err() {
                self.kept.lose(1);
            }
        } else if self.services
            && s.recorded
            && s.caller == 0
            && s.trace != 0
            && s.kind == SampleKind::Request
        {
            // Nothing outside has caused it, so no other request of its trace decides. Without room it is only forgotten later.
            let _ = self.gone.try_send(s.trace);
        }
    }
}

/// What the queue holds, for whichever thread writes now.
pub struct Queue {
    exchanges: Receiver<Exchange>,
    gone: Receiver<u128>,
}

/// What telemetry's tap puts into, and what everybody shares; `services`: they send spans here.
pub fn queue(clock: Clock, services: bool, traces: &Traces) -> (Sink, Arc<Kept>) {
    let (exchanges, come) = sync_channel(QUEUE);
    let (gone, went) = sync_channel(GONE);
    let queue = Queue {
        exchanges: come,
        gone: went,
    };
    let kept = Arc::new(Kept::new(clock, queue, wanted(traces)));
    let sink = Sink {
        exchanges,
        gone,
        services,
        kept: kept.clone(),
    };
    (sink, kept)
}

/// Which attributes of services' spans are kept.
fn wanted(traces: &Traces) -> Wanted {
    let named = traces.attributes.as_ref();
    named.map_or_else(Wanted::default, |n| {
        Wanted::of(n.iter().map(String::as_str))
    })
}

/// The running thread; it stops when this is dropped, and what has come by then is written.
pub struct Writing {
    _thread: Thread,
}

impl Writing {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        kept: Arc<Kept>,
        names: Names,
        clock: Clock,
        config: Arc<ArcSwap<Config>>,
    ) -> io::Result<Writing> {
        let now = config.load();
        let file = now.data_dir.join(FILE);
        let work = Work {
            disk: Disk::new(file, now.traces.size, now.traces.rate, kept.clone()),
            kept,
            names,
            clock,
            config,
        };
        let _thread = Thread::start(
            "traces",
            Arc::default(),
            work,
            || TURN,
            Work::turn,
            Work::close,
        )?;
        Ok(Writing { _thread })
    }
}

struct Work {
    kept: Arc<Kept>,
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
    disk: Disk,
}

impl Work {
    fn turn(&mut self) {
        self.take();
        let now = self.clock.now();
        let due = self.kept.hold().turn(now);
        let config = self.config.load();
        self.kept.want(wanted(&config.traces));
        self.disk.bound(config.traces.size, config.traces.rate);
        self.disk.write(due, SystemWall.now_ms());
    }

    fn close(&mut self) {
        self.take();
        let due = self.kept.hold().rest();
        self.disk.write(due, SystemWall.now_ms());
        self.disk.close();
    }

    /// What waits in the queue.
    fn take(&mut self) {
        let queue = self.kept.queue();
        let config = self.config.load();
        let of = |r: &config::Route| (r.name.clone(), r.matcher.path.to_string());
        let templates: HashMap<String, String> = config.routes.iter().map(of).collect();
        let words = Words {
            names: &self.names,
            templates: &templates,
            zero: zero(self.clock),
        };
        let now = self.clock.now();
        let mut hold = self.kept.hold();
        for x in queue.exchanges.try_iter().take(QUEUE) {
            let spans = otlp::export::spans(&x, &words).into_iter().map(span);
            hold.keep(x.request.trace, head(&x, &words), spans.collect(), now);
        }
        for trace in queue.gone.try_iter().take(GONE) {
            hold.let_go(trace);
        }
    }
}

fn head(x: &Exchange, words: &Words<'_>) -> Head {
    let s = &x.request;
    Head {
        route: words.route(s).0.into(),
        method: otlp::export::method(s).into(),
        status: s.status,
        start: words.at(s.start),
        end: words.at(s.end),
        why: x.why.label().into(),
    }
}

/// One of our own spans as it is kept.
fn span(sent: Sent) -> Span {
    let told = sent
        .attributes
        .iter()
        .filter(|(k, _)| !TOLD.contains(&&**k));
    let attributes = told.map(|(k, v)| {
        let value = match v {
            Value::Text(t) => cut(t, TEXT).0.into(),
            Value::Whole(n) => n.to_string().into(),
            Value::Real(x) => x.to_string().into(),
            Value::Flag(b) => b.to_string().into(),
        };
        (Box::from(&**k), value)
    });
    Span {
        id: sent.id,
        parent: sent.parent,
        service: OWN.into(),
        name: sent.name.into(),
        kind: sent.kind,
        start: sent.start,
        end: sent.end,
        error: sent.is_error,
        attributes: attributes.collect(),
    }
}

/// The receiver's side: spans and lines as they come.
impl otlp::Keeper for Kept {
    fn spans(&self, spans: Vec<(u128, Span)>) {
        let now: Nanos = self.now();
        let mut hold = self.hold();
        for (trace, span) in spans {
            hold.span(trace, span, now);
        }
    }

    fn lines(&self, lines: Vec<(u128, ::traces::Line)>) {
        self.count(lines.iter().map(|l| &l.1));
        let now = self.now();
        let mut hold = self.hold();
        for (trace, line) in lines {
            hold.line(trace, line, now);
        }
    }

    fn wanted(&self) -> Arc<Wanted> {
        self.attributes()
    }
}

#[cfg(test)]
mod tests;
