//! What the gates, the deliveries and the owner of the gateway share: the queue, and the pace of each lane.

use super::pace::{Bound, Pace, Reason, eta};
use crate::calendar::Calendar;
use base::Nanos;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;
use store::{JobId, Queue};
use tokio::sync::Notify;

/// Clients that wait for their job at once (`Prefer: wait`); more get their 202 at once.
const WAITING: usize = 1024;

type Shared<T> = Arc<Mutex<T>>;

/// Survives new generations.
#[derive(Default)]
pub struct Jobs {
    /// `None`: there is none yet, or another process has it.
    queue: RwLock<Option<Arc<dyn Queue>>>,
    /// Something was accepted, or a delivery has ended.
    pub news: Notify,
    lanes: Mutex<BTreeMap<Arc<str>, Shared<Pace>>>,
    /// Depths as they were last looked at, by lane.
    depths: Mutex<BTreeMap<String, u64>>,
    waiting: Mutex<HashMap<JobId, Arc<Notify>>>,
    calendar: Calendar,
}

/// A lane as it is shown.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Lane {
    pub name: String,
    pub in_flight: u32,
    /// Ends per second.
    pub rate: f64,
    pub reason: &'static str,
    pub detail: String,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Jobs {
    pub fn queue(&self) -> Option<Arc<dyn Queue>> {
        self.queue.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// `None` gives the queue up: no job is accepted or begun from then on.
    pub fn set_queue(&self, queue: Option<Arc<dyn Queue>>) {
        *self.queue.write().unwrap_or_else(|e| e.into_inner()) = queue;
        self.news.notify_one();
    }

    /// Milliseconds since the Unix epoch, on a clock that does not jump while the process lives.
    pub fn now_ms(&self, now: Nanos) -> u64 {
        self.calendar.now_ms(now)
    }

    pub fn pace(&self, lane: &Arc<str>) -> Shared<Pace> {
        lock(&self.lanes).entry(lane.clone()).or_default().clone()
    }

    pub fn pause(&self, lane: &Arc<str>, paused: bool) {
        lock(&self.pace(lane)).paused = paused;
        self.news.notify_one();
    }

    /// How fast each lane is, and why.
    pub fn lanes(&self, bound: impl Fn(&str) -> Bound, now: Nanos) -> Vec<Lane> {
        let lanes = lock(&self.lanes);
        let shown = lanes.iter().map(|(name, pace)| {
            let pace = lock(pace);
            let reason = pace.reason(bound(name), now);
            Lane {
                name: name.to_string(),
                in_flight: pace.in_flight(),
                rate: pace.rate(now),
                detail: match &reason {
                    Reason::Held(why) => why.clone(),
                    _ => String::new(),
                },
                reason: reason.label(),
            }
        });
        shown.collect()
    }

    /// When a job that is accepted now will be done, as far as anybody knows.
    pub fn eta(&self, lane: &Arc<str>, now: Nanos) -> Duration {
        let depth = lock(&self.depths).get(&**lane).copied().unwrap_or(0);
        let rate = lock(&self.pace(lane)).rate(now);
        eta(depth, rate)
    }

    pub fn set_depths(&self, lanes: &[store::Lane]) {
        *lock(&self.depths) = lanes.iter().map(|l| (l.name.clone(), l.waiting)).collect();
    }

    /// Told when the job ends; `None`: too many wait.
    pub fn wait_for(&self, id: JobId) -> Option<Arc<Notify>> {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= WAITING {
            return None;
        }
        Some(waiting.entry(id).or_default().clone())
    }

    pub fn stop_waiting(&self, id: JobId) {
        lock(&self.waiting).remove(&id);
    }

    /// An attempt of the job has ended, or it was cancelled.
    pub fn ended(&self, id: JobId) {
        if let Some(notify) = lock(&self.waiting).get(&id) {
            // Kept for the one who does not wait yet.
            notify.notify_one();
        }
    }
}
