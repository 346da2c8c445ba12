//! How far each projection is, told by whoever pushes events to it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::watch;

/// Survives new generations.
#[derive(Debug, Default)]
pub struct Positions {
    all: Mutex<BTreeMap<String, watch::Sender<u64>>>,
}

impl Positions {
    /// It may be less than before: then it is built again.
    pub fn tell(&self, name: &str, position: u64) {
        let all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        // Whom nobody has asked after is nobody's: routes ask when they are made.
        if let Some(known) = all.get(name) {
            known.send_if_modified(|now| std::mem::replace(now, position) != position);
        }
    }

    pub fn of(&self, name: &str) -> watch::Receiver<u64> {
        let mut all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        let known = all
            .entry(name.to_owned())
            .or_insert_with(|| watch::channel(0).0);
        known.subscribe()
    }
}
