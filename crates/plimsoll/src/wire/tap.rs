//! What is done with each sample, on telemetry's thread: counted, passed on if its request is one to send or to keep, and taken down
//! while somebody profiles its service.

use crate::wire::flights::Flights;
use crate::wire::{export, traces};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Details, Names, Nanos, Sample};
use config::Config;
use otlp::export::{Rules, Tail};
use std::sync::Arc;
use std::time::Duration;
use telemetry::Heard;

/// Routes and their objectives are looked up this often.
const LOOK: Duration = Duration::from_secs(1);

pub struct Tap {
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
    export: Option<export::Sink>,
    traces: Option<traces::Sink>,
    flights: Flights,
    /// One per traffic thread.
    details: Vec<rtrb::Consumer<Box<Details>>>,
    tail: Tail,
    rules: Rules,
    /// When `rules` are made anew.
    due: Nanos,
}

impl Tap {
    pub fn new(
        names: Names,
        clock: Clock,
        config: Arc<ArcSwap<Config>>,
        export: Option<export::Sink>,
        traces: Option<traces::Sink>,
    ) -> Tap {
        Tap {
            names,
            clock,
            config,
            export,
            traces,
            flights: Flights::default(),
            details: Vec::new(),
            tail: Tail::default(),
            rules: Rules::default(),
            due: Nanos::ZERO,
        }
    }

    /// With what traffic threads tell of requests to be kept.
    pub fn with_details(mut self, details: Vec<rtrb::Consumer<Box<Details>>>) -> Tap {
        self.details = details;
        self
    }

    /// With somebody who may ask when requests were in a service.
    pub fn with_flights(mut self, flights: Flights) -> Tap {
        self.flights = flights;
        self
    }

    pub fn heard(mut self) -> Heard {
        Box::new(move |samples| self.take(samples))
    }

    fn take(&mut self, samples: &[Sample]) {
        self.flights.hear(samples, || self.clock.now());
        if self.export.is_none() && self.traces.is_none() {
            return;
        }
        let now = self.clock.now();
        if now >= self.due {
            self.due = Nanos(now.0.saturating_add(LOOK.as_nanos() as u64));
            self.rules = rules(&self.config.load(), &self.names);
        }
        // Each was put there before its sample was.
        for ring in &mut self.details {
            while let Ok(details) = ring.pop() {
                self.tail.tell(details);
            }
        }
        let mut counting = self.export.as_ref().map(|e| (e, e.meter()));
        for s in samples {
            let kept = self.tail.push(s, &self.rules);
            if let Some(traces) = &self.traces {
                traces.hear(s, kept.as_ref());
            }
            if let Some((export, meter)) = &mut counting {
                let is_sent = kept.is_some_and(|x| export.send(x));
                meter.push(s, is_sent);
            }
        }
    }
}

/// By number of route.
fn rules(config: &Config, names: &Names) -> Rules {
    let slow = |name: &Arc<str>| config.slow(config.route(name));
    Rules {
        share: config.traces.share,
        slow: names.routes.all().iter().map(slow).collect(),
        other: config.slow(None),
    }
}
