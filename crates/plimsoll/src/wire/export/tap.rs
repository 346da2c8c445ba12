//! What is done with each sample, on telemetry's thread: counted, and kept if its request is one to send.

use super::{Parts, Shown};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Names, Nanos, Sample};
use config::Config;
use otlp::export::{Exchange, Rules, Tail};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// Routes and their objectives are looked up this often.
const LOOK: Duration = Duration::from_secs(1);
/// Slow where nothing else is said.
const SLOW: Duration = Duration::from_secs(1);

pub struct Tap {
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
    queue: SyncSender<Exchange>,
    shown: Arc<Shown>,
    tail: Tail,
    rules: Rules,
    /// When `rules` are made anew.
    due: Nanos,
}

impl Tap {
    pub fn new(parts: &Parts, queue: SyncSender<Exchange>, shown: Arc<Shown>) -> Tap {
        Tap {
            names: parts.names.clone(),
            clock: parts.clock,
            config: parts.config.clone(),
            queue,
            shown,
            tail: Tail::default(),
            rules: Rules::default(),
            due: Nanos::ZERO,
        }
    }

    pub fn take(&mut self, samples: &[Sample]) {
        let now = self.clock.now();
        if now >= self.due {
            self.due = Nanos(now.0.saturating_add(LOOK.as_nanos() as u64));
            self.rules = rules(&self.config.load(), &self.names);
        }
        let mut meter = self.shown.meter();
        for s in samples {
            let kept = self.tail.push(s, &self.rules);
            let is_kept = kept.is_some_and(|x| self.shown.added(self.queue.try_send(x).is_ok()));
            meter.push(s, is_kept);
        }
    }
}

/// By number of route.
fn rules(config: &Config, names: &Names) -> Rules {
    let traces = &config.traces;
    let slow = |name: &Arc<str>| {
        let slo = config.route(name).and_then(|r| r.slo.as_ref());
        let slo = slo.map(|s| s.latency).filter(|l| !l.is_zero());
        traces.slow.or(slo).unwrap_or(SLOW)
    };
    Rules {
        share: traces.share,
        slow: names.routes.all().iter().map(slow).collect(),
        other: traces.slow.unwrap_or(SLOW),
    }
}
