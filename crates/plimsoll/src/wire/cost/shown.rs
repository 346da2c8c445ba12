//! What the thread of the costs shares with the console.

use super::metrics;
use ::cost::anomaly::Anomaly;
use ::cost::{Book, By, MICRO, Report, Slot, Span, prices, report};
use arc_swap::ArcSwap;
use base::Finding;
use config::Config;
use control::ports::{SystemWall, Wall};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

pub struct Shown {
    book: Mutex<Book>,
    /// Everything since the start, for metrics.
    ever: Mutex<Slot>,
    anomalies: Mutex<Vec<Anomaly>>,
    config: Arc<ArcSwap<Config>>,
}

impl Shown {
    pub fn new(config: Arc<ArcSwap<Config>>) -> Shown {
        Shown {
            book: Mutex::default(),
            ever: Mutex::default(),
            anomalies: Mutex::default(),
            config,
        }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn push(&self, slot: &Slot) {
        self.book().push(slot);
        self.ever().add(slot);
    }

    fn ever(&self) -> MutexGuard<'_, Slot> {
        self.ever.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn unusual(&self, all: Vec<Anomaly>) {
        *self.anomalies.lock().unwrap_or_else(|e| e.into_inner()) = all;
    }

    /// All prices together; 0: nothing has a price.
    fn per_hour_micro(&self) -> u64 {
        let all = prices(&self.config.load(), &BTreeMap::new());
        (all.iter().map(|p| p.per_hour).sum::<f64>() * MICRO).round() as u64
    }

    pub fn metrics(&self) -> String {
        metrics::page(&self.ever())
    }
}

impl console::Costs for Shown {
    fn slots(&self, span: Span, step_s: u64) -> Vec<Slot> {
        self.book()
            .steps(span.from_s, span.to_s, step_s, self.now_s())
    }

    fn service(&self, route: &str) -> Option<String> {
        self.config.load().route(route).map(|r| r.to.clone())
    }

    fn anomalies(&self) -> Vec<Anomaly> {
        let all = self.anomalies.lock();
        all.unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn now_s(&self) -> u64 {
        SystemWall.now_ms() / 1000
    }

    fn report(&self, by: By, span: Span) -> Result<Report, Vec<Finding>> {
        let slot = self.book().span(span.from_s, span.to_s, self.now_s());
        if slot.items.is_empty() && self.per_hour_micro() == 0 {
            let none = Finding::error("cost-unpriced", "nothing has a price");
            return Err(vec![
                none.help("give services or resources a `price`, such as $0.10/h"),
            ]);
        }
        Ok(report(&slot, by, span.to_s, |route| self.service(route)))
    }
}
