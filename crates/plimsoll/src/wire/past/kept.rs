//! What the thread of the history shares with the console.

use ::past::{Bounds, Past, Summary};
use serde_json::{Value, json};
use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use telemetry::prometheus::Page;

pub struct Kept {
    past: RwLock<Past>,
    /// Why nothing is stored now.
    wrong: Mutex<Option<String>>,
}

impl Kept {
    pub fn new(bounds: Bounds) -> Kept {
        Kept {
            past: RwLock::new(Past::new(bounds)),
            wrong: Mutex::default(),
        }
    }

    pub fn reading(&self) -> RwLockReadGuard<'_, Past> {
        self.past.read().unwrap_or_else(|e| e.into_inner())
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
    fn read(&self) -> RwLockReadGuard<'_, Past> {
        self.reading()
    }

    fn standing(&self) -> Value {
        let summary = self.reading().summary();
        json!({ "summary": summary, "not_stored": self.wrong() })
    }
}
