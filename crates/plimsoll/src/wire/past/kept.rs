//! What the thread of the history shares with the console.

use ::past::{Bounds, Past, Summary};
use serde_json::{Value, json};
use std::sync::{Condvar, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use telemetry::prometheus::Page;

/// A question waits no longer for what is stored to be read: then it is answered with what there is.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Kept {
    past: RwLock<Past>,
    /// What is stored has been read.
    known: (Mutex<bool>, Condvar),
    /// Why nothing is stored now.
    wrong: Mutex<Option<String>>,
}

impl Kept {
    pub fn new(bounds: Bounds) -> Kept {
        Kept {
            past: RwLock::new(Past::new(bounds)),
            known: Default::default(),
            wrong: Mutex::default(),
        }
    }

    pub fn reading(&self) -> RwLockReadGuard<'_, Past> {
        self.past.read().unwrap_or_else(|e| e.into_inner())
    }

    /// What is stored has been read: whoever waits for it goes on.
    pub fn set_known(&self) {
        *self.known.0.lock().unwrap_or_else(|e| e.into_inner()) = true;
        self.known.1.notify_all();
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Past> {
        self.past.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Says what is wrong with the disk, once.
    pub fn say(&self, wrong: Option<&str>) {
        let mut said = self.wrong.lock().unwrap_or_else(|e| e.into_inner());
        if said.as_deref() == wrong {
            return;
        }
        match wrong {
            Some(why) => tracing::error!("{why}"),
            None => tracing::info!("the history is stored again"),
        }
        *said = wrong.map(str::to_owned);
    }

    fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub fn metrics(&self) -> String {
        let Summary {
            series,
            bytes,
            lost,
            ..
        } = self.reading().summary();
        let wrong = f64::from(u8::from(self.wrong().is_some()));
        let mut page = Page::default();
        for (name, kind, help, value) in [
            (
                "plimsoll_history_series",
                "gauge",
                "Series that are remembered.",
                series as f64,
            ),
            (
                "plimsoll_history_bytes",
                "gauge",
                "Memory that the history takes.",
                bytes as f64,
            ),
            (
                "plimsoll_history_lost_total",
                "counter",
                "Counts of series that were one too many.",
                lost as f64,
            ),
            (
                "plimsoll_history_not_stored",
                "gauge",
                "Whether the history is in memory only, as the disk fails.",
                wrong,
            ),
        ] {
            page.family(name, kind, help);
            page.row("", &[], value);
        }
        page.finish()
    }
}

impl console::Remembers for Kept {
    fn known(&self) -> bool {
        *self.known.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn read(&self) -> RwLockReadGuard<'_, Past> {
        let (known, told) = &self.known;
        let known = known.lock().unwrap_or_else(|e| e.into_inner());
        drop(told.wait_timeout_while(known, PATIENCE, |known| !*known));
        self.reading()
    }

    fn standing(&self) -> Value {
        let summary = self.reading().summary();
        json!({ "summary": summary, "not_stored": self.wrong(), "being_read": !self.known() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::past::{FINE_MS, Series, metric};
    use console::Remembers;
    use std::sync::Arc;

    #[test]
    fn a_question_waits_until_what_is_stored_has_been_read() {
        let kept = Arc::new(Kept::new(Bounds {
            counts_ms: 86_400_000,
            buckets_ms: 86_400_000,
            bytes: 1 << 20,
        }));
        let asking = kept.clone();
        let asked = std::thread::spawn(move || asking.read().summary().series);
        assert!(!kept.known() && kept.standing()["being_read"] == true);
        // Who writes the metrics does not wait.
        assert!(kept.metrics().contains("plimsoll_history_series"));
        let series = Series::new(&metric::REQUESTS, &["a", "base", "2xx"]);
        kept.write().push(10 * FINE_MS, vec![(series, 1)]);
        kept.set_known();
        assert_eq!(asked.join().unwrap(), 1);
        assert!(kept.known());
    }
}
