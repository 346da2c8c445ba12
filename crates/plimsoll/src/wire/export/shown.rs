//! What the thread of the export shares with telemetry's, the console and the metrics page.

use config::sections::ExportOtlp;
use otlp::export::{Counts, Lane, Meter};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use telemetry::prometheus::Page;

/// Makes the metrics page.
pub type Source = Arc<dyn Fn() -> String + Send + Sync>;

pub struct Shown {
    endpoint: String,
    meter: Mutex<Meter>,
    source: Mutex<Option<Source>>,
    /// Requests that were to be sent: all, those taken out of the queue, and those that found no room there.
    queued: AtomicU64,
    taken: AtomicU64,
    dropped: AtomicU64,
    traces: Mutex<Standing>,
    metrics: Mutex<Standing>,
}

#[derive(Clone, Default)]
struct Standing {
    counts: Counts,
    /// Why nothing is taken now.
    wrong: Option<String>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Shown {
    pub fn new(otlp: &ExportOtlp) -> Shown {
        Shown {
            endpoint: otlp.endpoint.clone(),
            meter: Mutex::default(),
            source: Mutex::default(),
            queued: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            traces: Mutex::default(),
            metrics: Mutex::default(),
        }
    }

    pub fn meter(&self) -> MutexGuard<'_, Meter> {
        lock(&self.meter)
    }

    /// Where the metrics page comes from. `None`, for a while: what it is made of is being replaced.
    pub fn set_source(&self, source: Option<Source>) {
        *lock(&self.source) = source;
    }

    pub fn page(&self) -> String {
        let source = lock(&self.source).clone();
        source.map_or_else(String::new, |page| page())
    }

    /// A request was to wait in the queue; whether there was room.
    pub fn added(&self, had_room: bool) -> bool {
        let count = if had_room {
            &self.queued
        } else {
            &self.dropped
        };
        count.fetch_add(1, Relaxed);
        had_room
    }

    pub fn taken(&self, n: usize) {
        self.taken.fetch_add(n as u64, Relaxed);
    }

    pub fn tell(&self, traces: &Lane, metrics: &Lane) {
        for (place, lane) in [(&self.traces, traces), (&self.metrics, metrics)] {
            *lock(place) = Standing {
                counts: lane.counts,
                wrong: lane.wrong.clone(),
            };
        }
    }

    fn waiting(&self) -> u64 {
        let taken = self.taken.load(Relaxed);
        self.queued.load(Relaxed).saturating_sub(taken)
    }

    /// As `GET /api/v1/export` tells it.
    pub fn standing(&self) -> Value {
        let of = |s: Standing| json!({ "counts": s.counts, "wrong": s.wrong });
        json!({
            "to": self.endpoint,
            "traces": of(lock(&self.traces).clone()),
            "metrics": of(lock(&self.metrics).clone()),
            "waiting": self.waiting(),
            "dropped": self.dropped.load(Relaxed),
        })
    }

    /// What became of what was to be sent, as metrics.
    pub fn metrics(&self) -> String {
        let signals = [
            ("traces", lock(&self.traces).clone()),
            ("metrics", lock(&self.metrics).clone()),
        ];
        let mut page = Page::default();
        page.family(
            "plimsoll_export_total",
            "counter",
            "Spans and data points by what the collector did with them.",
        );
        for (signal, Standing { counts, .. }) in &signals {
            for (fate, n) in [
                ("sent", counts.sent),
                ("rejected", counts.rejected),
                ("refused", counts.refused),
                ("given_up", counts.given_up),
            ] {
                page.row("", &[("signal", *signal), ("fate", fate)], n as f64);
            }
        }
        page.family(
            "plimsoll_export_failed_tries_total",
            "counter",
            "Requests to the collector that it did not take.",
        );
        for (signal, s) in &signals {
            page.row("", &[("signal", *signal)], s.counts.failed_tries as f64);
        }
        page.family(
            "plimsoll_export_dropped_total",
            "counter",
            "Requests that were not sent as traces, because too many waited.",
        );
        page.row("", &[], self.dropped.load(Relaxed) as f64);
        page.family(
            "plimsoll_export_waiting",
            "gauge",
            "Requests that wait to be sent as traces.",
        );
        page.row("", &[], self.waiting() as f64);
        page.finish()
    }
}
