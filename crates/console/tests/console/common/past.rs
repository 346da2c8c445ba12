//! A past that a test fills.

use past::{Bounds, Past, Series, metric};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

#[derive(Clone)]
pub struct Kept(Arc<RwLock<Past>>, Arc<AtomicBool>);

impl Default for Kept {
    fn default() -> Kept {
        let bounds = Bounds {
            counts_ms: 35 * 86_400_000,
            buckets_ms: 3 * 86_400_000,
            bytes: 64 << 20,
        };
        Kept(
            Arc::new(RwLock::new(Past::new(bounds))),
            Arc::new(AtomicBool::new(true)),
        )
    }
}

impl Kept {
    /// Whether what is stored has been read.
    pub fn set_known(&self, known: bool) {
        self.1.store(known, Ordering::Relaxed);
    }

    /// A hundred answers of a route in each of the ten-second slots from then on; every tenth failed.
    pub fn count(&self, route: &str, from_ms: u64, slots: u64) {
        let mut past = self.0.write().unwrap();
        let of = |status| Series::new(&metric::REQUESTS, &[route, "base", status]);
        let took = Series::new(&metric::DURATIONS, &[route, "base"]).of_part(20);
        for slot in 1..=slots {
            let counts = vec![(of("2xx"), 90), (of("5xx"), 10), (took.clone(), 100)];
            past.push(from_ms + slot * past::FINE_MS, counts);
        }
    }
}

impl Kept {
    /// Answers that each told `micro` of a number of the business, at so many times until then.
    pub fn worth(&self, of: [&str; 3], micro: u64, until_ms: u64, times: u64, every_ms: u64) {
        let mut past = self.0.write().unwrap();
        let [route, name, unit] = of;
        let value = Series::new(&metric::BUSINESS, &of);
        let told = Series::new(&metric::BUSINESS_ANSWERS, &[route, name, unit, "number"]);
        for back in (0..times).rev() {
            let counts = vec![(value.clone(), micro), (told.clone(), 1)];
            past.push(until_ms - back * every_ms, counts);
        }
    }
}

impl console::Remembers for Kept {
    fn known(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
    fn read(&self) -> RwLockReadGuard<'_, Past> {
        assert!(self.known(), "a page waits for the history");
        self.0.read().unwrap()
    }
    fn standing(&self) -> Value {
        json!({ "summary": self.0.read().unwrap().summary(), "not_stored": null, "being_read": !self.known() })
    }
}
