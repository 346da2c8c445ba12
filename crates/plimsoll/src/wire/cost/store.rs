//! Slots in the store. Nothing here waits for the disk but reading at the start and writing at the end.

use super::judge::Judged;
use ::cost::{Grain, Slot};
use ::store::{Embedded, Kv, Put, entries};
use std::sync::Arc;

const JUDGED_KEY: &str = "cost/judged";

pub struct Keeper {
    store: Arc<Embedded>,
}

fn prefix(grain: Grain) -> &'static str {
    match grain {
        Grain::Minute => "cost/minute/",
        Grain::Hour => "cost/hour/",
    }
}

impl Keeper {
    pub fn new(store: Arc<Embedded>) -> Keeper {
        Keeper { store }
    }

    /// Every slot that is stored and not too old.
    pub fn slots(&self, grain: Grain, now_ms: u64) -> Vec<Slot> {
        let mut failed = None;
        let all = entries(&*self.store, prefix(grain), now_ms, &mut failed);
        let slots: Vec<Slot> = all
            .take(grain.keep())
            .filter_map(|e| serde_json::from_slice(&e.value).ok())
            .collect();
        if let Some(e) = failed {
            tracing::error!("past costs cannot be read: {e}");
        }
        let oldest_s = (now_ms / 1000).saturating_sub(grain.keep() as u64 * grain.seconds());
        (slots.into_iter())
            .filter(|s| s.start_s >= oldest_s)
            .collect()
    }

    pub fn store(&self, grain: Grain, slot: &Slot, now_ms: u64) {
        let Ok(value) = serde_json::to_vec(slot) else {
            return;
        };
        // As many keys as slots are kept: a new one takes the place of the one that is too old.
        let place = slot.start_s / grain.seconds() % grain.keep() as u64;
        self.put(format!("{}{place:05}", prefix(grain)), value, now_ms);
    }

    fn put(&self, key: String, value: Vec<u8>, now_ms: u64) {
        drop(self.store.put(Put::new(key, value), now_ms));
    }

    pub fn judged(&self, now_ms: u64) -> Option<Judged> {
        let entry = self.store.get(JUDGED_KEY, now_ms).ok()??;
        serde_json::from_slice(&entry.value).ok()
    }

    pub fn keep_judged(&self, judged: &Judged, now_ms: u64) {
        if let Ok(value) = serde_json::to_vec(judged) {
            self.put(JUDGED_KEY.to_owned(), value, now_ms);
        }
    }

    /// Waits until all of it is on the disk.
    pub fn end(&self) {
        let put = Put::new("cost/ended", Vec::new());
        if let Err(e) = self.store.put(put, 0).wait() {
            tracing::error!("the last costs were not stored: {e}");
        }
    }
}
