//! Counts and alerts in the store. Nothing here waits for the disk but reading at the start and writing at the end.

use ::slo::Alert;
use ::slo::counts::slots;
use ::slo::keep::{ALERT_PREFIX, COARSE_PREFIX, FINE_PREFIX, NAMES_KEY, Row};
use ::store::{Embedded, Entry, Kv, Precondition, Put, entries};
use base::Grain;
use std::sync::Arc;

/// Alerts read at the start.
const MAX_ALERTS: usize = 1000;

pub struct Keeper {
    store: Arc<Embedded>,
    names: usize,
}

impl Keeper {
    pub fn new(store: Arc<Embedded>) -> Keeper {
        Keeper { store, names: 0 }
    }

    /// Names of objectives and alerts, as they were stored.
    pub fn begin(&mut self, now_ms: u64) -> (Vec<String>, Vec<Alert>) {
        let names = match self.store.get(NAMES_KEY, now_ms) {
            Ok(entry) => entry.and_then(|e| serde_json::from_slice(&e.value).ok()),
            Err(e) => {
                tracing::error!("the counts of objectives cannot be read: {e}");
                None
            }
        };
        let names: Vec<String> = names.unwrap_or_default();
        self.names = names.len();
        let alerts = self.scan(ALERT_PREFIX, MAX_ALERTS, now_ms);
        let alerts = alerts
            .iter()
            .filter_map(|e| serde_json::from_slice(&e.value).ok());
        (names, alerts.collect())
    }

    /// Every slot that is stored.
    pub fn rows(&self, now_ms: u64) -> Vec<Row> {
        let of = |prefix, grain: Grain| {
            let entries = self.scan(prefix, slots(grain), now_ms).into_iter();
            entries.filter_map(move |e| Row::read(grain, &e.value))
        };
        of(COARSE_PREFIX, Grain::Coarse)
            .chain(of(FINE_PREFIX, Grain::Fine))
            .collect()
    }

    fn scan(&self, prefix: &str, most: usize, now_ms: u64) -> Vec<Entry> {
        let mut failed = None;
        let all = entries(&*self.store, prefix, now_ms, &mut failed)
            .take(most)
            .collect();
        if let Some(e) = failed {
            tracing::error!("the counts of objectives cannot be read: {e}");
        }
        all
    }

    /// Stores the names where there are more than before.
    pub fn names(&mut self, names: &[String], now_ms: u64) {
        if names.len() > self.names
            && let Ok(json) = serde_json::to_vec(names)
        {
            self.put(NAMES_KEY.into(), json, now_ms);
            self.names = names.len();
        }
    }

    pub fn store(&self, rows: &[Row], now_ms: u64) {
        for row in rows {
            self.put(row.key(), row.bytes(), now_ms);
        }
    }

    pub fn alert(&self, alert: &Alert, now_ms: u64) {
        if let Ok(json) = serde_json::to_vec(alert) {
            self.put(format!("{ALERT_PREFIX}{}", alert.id), json, now_ms);
        }
    }

    pub fn forget(&self, id: &str, now_ms: u64) {
        let key = format!("{ALERT_PREFIX}{id}");
        drop(self.store.delete(&key, Precondition::Any, now_ms));
    }

    fn put(&self, key: String, value: Vec<u8>, now_ms: u64) {
        drop(self.store.put(Put::new(key, value), now_ms));
    }

    /// Waits until all of it is on the disk.
    pub fn end(&self) {
        let put = Put::new("slo/ended", Vec::new());
        if let Err(e) = self.store.put(put, 0).wait() {
            tracing::error!("the last counts of objectives were not stored: {e}");
        }
    }
}
