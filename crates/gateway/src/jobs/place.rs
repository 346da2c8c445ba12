//! What the gates, the deliveries and the owner of the gateway share: the queue, and the pace of each lane.

use super::depth::Depth;
use super::eta::{Eta, Speed};
use super::pace::{Bound, Pace, Reason};
use super::still::Unsaid;
use crate::calendar::Calendar;
use crate::topics::call::Clients;
use base::Nanos;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;
use store::{Broker, JobId, Marked, Own, Queue};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

/// Clients that wait for their job at once (`Prefer: wait`); more get their 202 at once.
const WAITING: usize = 1024;

type Shared<T> = Arc<Mutex<T>>;

/// Survives new generations.
#[derive(Default)]
pub struct Jobs {
    /// Of this node: what topics and jobs without an engine are in. `None`: there is none (yet), or another process has it.
    own: RwLock<Option<Arc<dyn Own>>>,
    /// Of several nodes, for topics; `None`: they are in that of this node.
    topics: RwLock<Option<Arc<dyn Broker>>>,
    /// Of several nodes, for the jobs of routes; `None`: they are in that of this node.
    shared: RwLock<Option<Arc<dyn Marked>>>,
    /// Routes of which it is known whether their jobs in the queue of several nodes stand still.
    known: Mutex<BTreeSet<Arc<str>>>,
    /// One at a time says or looks what stands still; what could not be kept yet.
    pub(super) still: Mutex<Unsaid>,
    /// Whether it is there.
    open: watch::Sender<bool>,
    /// Something was accepted, or a delivery has ended.
    pub news: Notify,
    /// Counts publications to topics, for those who read along.
    pub published: watch::Sender<u64>,
    lanes: Mutex<BTreeMap<Arc<str>, Shared<Pace>>>,
    /// What bounds them, as it was last looked at.
    bounds: Mutex<BTreeMap<Arc<str>, Bound>>,
    /// Depths as they were last looked at, by lane.
    depths: Mutex<BTreeMap<String, Depth>>,
    waiting: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// Since when lanes of webhooks fail, milliseconds since the Unix epoch; those that were not looked up are not here.
    failing: Mutex<BTreeMap<Arc<str>, Option<u64>>>,
    /// Webhooks that agreed to our events, by lane: what exactly.
    agreed: Mutex<BTreeMap<Arc<str>, u64>>,
    /// Calls of webhooks.
    pub calls: Calls,
    calendar: Calendar,
}

/// Calls of webhooks.
pub struct Calls {
    /// Those under way, all together: each holds a thread.
    pub permits: Arc<Semaphore>,
    pub clients: Arc<Clients>,
}

/// Most of them.
const CALLS: usize = 128;

impl Default for Calls {
    fn default() -> Self {
        Calls {
            permits: Arc::new(Semaphore::new(CALLS)),
            clients: Arc::default(),
        }
    }
}

/// A lane as it is shown.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Lane {
    pub name: String,
    pub in_flight: u32,
    /// Ends per second.
    pub rate: f64,
    /// How fast its jobs will end.
    #[serde(skip)]
    pub speed: Speed,
    pub reason: &'static str,
    pub detail: String,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Jobs {
    /// Where the jobs of routes are.
    pub fn queue(&self) -> Option<Arc<dyn Queue>> {
        match self.shared() {
            Some(shared) => Some(shared as Arc<dyn Queue>),
            None => self.own().map(|own| own as Arc<dyn Queue>),
        }
    }

    /// All there are, each once.
    pub fn queues(&self) -> Vec<Arc<dyn Queue>> {
        let own = self.own().map(|own| own as Arc<dyn Queue>);
        let topics = self.of_all().map(|topics| topics as Arc<dyn Queue>);
        let shared = self.shared().map(|shared| shared as Arc<dyn Queue>);
        [own, topics, shared].into_iter().flatten().collect()
    }

    /// Where topics are, with the jobs of their subscriptions.
    pub fn broker(&self) -> Option<Arc<dyn Broker>> {
        self.of_all()
            .or_else(|| self.own().map(|own| own as Arc<dyn Broker>))
    }

    /// Whether topics are those of several nodes.
    pub fn shares_topics(&self) -> bool {
        self.of_all().is_some()
    }

    /// Topics of several nodes.
    fn of_all(&self) -> Option<Arc<dyn Broker>> {
        let topics = self.topics.read().unwrap_or_else(|e| e.into_inner());
        topics.clone()
    }

    fn own(&self) -> Option<Arc<dyn Own>> {
        let own = self.own.read().unwrap_or_else(|e| e.into_inner());
        own.clone()
    }

    /// The queue of several nodes.
    pub fn shared(&self) -> Option<Arc<dyn Marked>> {
        let shared = self.shared.read().unwrap_or_else(|e| e.into_inner());
        shared.clone()
    }

    /// `None` gives up what is of this node, the topics of several nodes too: no job is accepted there or begun from then on.
    pub fn set_queue(&self, own: Option<Arc<dyn Own>>) {
        let open = own.is_some();
        *self.own.write().unwrap_or_else(|e| e.into_inner()) = own;
        // After that: none of their events comes into the queue of this node.
        if !open {
            *self.topics.write().unwrap_or_else(|e| e.into_inner()) = None;
        }
        self.open.send_replace(open);
        self.news.notify_one();
    }

    /// Topics, with the jobs of their subscriptions, are there from then on.
    pub fn lend_topics(&self, topics: Arc<dyn Broker>) {
        *self.topics.write().unwrap_or_else(|e| e.into_inner()) = Some(topics);
        self.open.send_replace(true);
        self.news.notify_one();
    }

    /// Jobs of routes are there from then on; `None`: in the queue of this node.
    pub fn lend(&self, shared: Option<Arc<dyn Marked>>) {
        *self.shared.write().unwrap_or_else(|e| e.into_inner()) = shared;
        self.news.notify_one();
    }

    /// Where it is kept what stands still of routes.
    pub(super) fn marks(&self) -> Option<Arc<dyn Marked>> {
        (self.shared()).or_else(|| self.own().map(|own| own as Arc<dyn Marked>))
    }

    /// Of a queue that several nodes have, another one may have paused the route.
    pub(super) fn may_stand_still(&self, route: &str) -> bool {
        self.shared().is_some() && !lock(&self.known).contains(route)
    }

    pub(super) fn set_known(&self, routes: BTreeSet<Arc<str>>) {
        let mut known = lock(&self.known);
        if *known != routes {
            *known = routes;
            self.news.notify_one();
        }
    }

    /// Until the queue has been away for so long without a break: another process waits for it.
    pub async fn taken(&self, patience: Duration) {
        let mut open = self.open.subscribe();
        while open.wait_for(|open| !open).await.is_ok() {
            if timeout(patience, open.wait_for(|open| *open))
                .await
                .is_err()
            {
                return;
            }
        }
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

    /// `None` takes it back.
    pub fn disable(&self, lane: &Arc<str>, why: Option<String>) {
        lock(&self.pace(lane)).disabled = why;
        self.news.notify_one();
    }

    /// Whether it is paused, and why it is disabled, by whomever.
    pub fn hold(&self, lane: &Arc<str>, paused: bool, disabled: Option<String>) {
        let pace = self.pace(lane);
        let mut pace = lock(&pace);
        if (pace.paused, &pace.disabled) != (paused, &disabled) {
            (pace.paused, pace.disabled) = (paused, disabled);
            self.news.notify_one();
        }
    }

    /// Since when it fails, if at all; the outer `None`: nobody has looked yet.
    pub fn failing(&self, lane: &str) -> Option<Option<u64>> {
        lock(&self.failing).get(lane).copied()
    }

    pub fn set_failing(&self, lane: &Arc<str>, since_ms: Option<u64>) {
        lock(&self.failing).insert(lane.clone(), since_ms);
    }

    /// `what`: a hash of the address and the origin.
    pub fn has_agreed(&self, lane: &str, what: u64) -> bool {
        lock(&self.agreed).get(lane) == Some(&what)
    }

    pub fn set_agreed(&self, lane: &Arc<str>, what: u64) {
        lock(&self.agreed).insert(lane.clone(), what);
    }

    /// How fast each lane is, and why.
    pub fn lanes(&self, bound: impl Fn(&str) -> Bound, now: Nanos) -> Vec<Lane> {
        let lanes = lock(&self.lanes);
        let shown = lanes.iter().map(|(name, pace)| {
            let pace = lock(pace);
            let bound = bound(name);
            let reason = pace.reason(bound, now);
            Lane {
                name: name.to_string(),
                in_flight: pace.in_flight(),
                rate: pace.rate(now),
                speed: pace.speed(&bound, now),
                detail: match &reason {
                    Reason::Held(why) | Reason::Disabled(why) => why.clone(),
                    _ => String::new(),
                },
                reason: reason.label(),
            }
        });
        shown.collect()
    }

    /// When a job that is accepted now will be done, as far as anybody knows.
    pub fn eta(&self, lane: &str, now: Nanos) -> Option<Eta> {
        self.speed(lane, now)?.eta(self.depth(lane), 0.0)
    }

    /// Seconds until a job that is accepted now can be done, if nobody else uses its service and all that is not due stays away; `None`: the
    /// model does not know, other nodes deliver, too, or nothing is delivered.
    pub fn least(&self, lane: &str) -> Option<f64> {
        let ready = lock(&self.depths).get(lane)?.ready?;
        let bound = lock(&self.bounds).get(lane).copied()?;
        let pace = lock(&self.lanes).get(lane).cloned()?;
        let pace = lock(&pace);
        match pace.is_still() {
            true => None,
            false => pace.fastest(&bound).least(ready),
        }
    }

    /// Jobs of a lane that had not ended when it was last looked.
    pub fn depth(&self, lane: &str) -> u64 {
        lock(&self.depths).get(lane).map_or(0, |d| d.waiting)
    }

    /// How fast the jobs of a lane will end; `None`: it is none.
    pub fn speed(&self, lane: &str, now: Nanos) -> Option<Speed> {
        let pace = lock(&self.lanes).get(lane).cloned()?;
        let bound = lock(&self.bounds).get(lane).copied();
        Some(lock(&pace).speed(&bound.unwrap_or(Bound::NOTHING), now))
    }

    pub fn set_bound(&self, lane: &Arc<str>, bound: Bound) {
        lock(&self.bounds).insert(lane.clone(), bound);
    }

    pub fn set_depths(&self, depths: BTreeMap<String, Depth>) {
        *lock(&self.depths) = depths;
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
