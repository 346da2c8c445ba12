//! Leases what is due, sends it over the path, and says what came of it.

use super::carry::{self, Delivery};
use super::outcome::{AGAIN, Answered, Outcome, decide};
use super::pace::{self, Bound, Pace};
use super::{Errand, Jobs};
use crate::attempt::limit::Limiter;
use crate::attempt::limit::core::Limit;
use crate::gate::Kept;
use crate::hash::mix;
use crate::listen::Fresh;
use crate::runtime::Shared;
use crate::snapshot::Route;
use config::sections::Async;
use http1::Method;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use store::{Finish, Leased, Queue};
use tokio::time::{Instant, interval, timeout_at};

/// How often lanes are looked at when there is no news.
const LOOK: Duration = Duration::from_millis(100);
/// How often what has ended long ago is forgotten, and how much at once.
const FORGET: Duration = Duration::from_secs(10);
const FORGOTTEN: usize = 512;
/// How long dead jobs stay, milliseconds.
const DEAD_MS: u64 = 14 * 24 * 3600 * 1000;
/// A lease is longer than the attempt by this much, for what comes after it.
const SPARE: Duration = Duration::from_secs(30);
/// Most jobs of a lane that are leased in one look.
const LEASED: u32 = 64;
/// First bytes of a dead job's last answer.
const LAST_ANSWER: usize = 4096;

/// Delivers until the gateway ends.
pub fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    let (jobs, shared) = (shared.jobs.clone(), Arc::downgrade(shared));
    control.spawn(look(jobs.clone(), shared.clone()));
    control.spawn(forget(jobs, shared));
}

/// A route that takes jobs.
struct Lane {
    name: Arc<str>,
    rules: Arc<Async>,
    bound: Bound,
}

/// What bounds the deliveries of a route from outside.
pub fn bound(route: &Route, kept: &Kept) -> Bound {
    let limiter = kept.get(&route.service.name, Limiter::default);
    let free = match limiter.limit(route.service.config.limit) {
        Limit::None => None,
        Limit::Observe(limit) | Limit::Enforce(limit) => {
            Some(pace::free(limit, limiter.in_flight()))
        }
    };
    let most = route.asynchronous.as_ref().map_or(0, |r| r.concurrency);
    Bound { most, free }
}

fn lanes(shared: &Shared) -> Vec<Lane> {
    let snapshot = shared.current.load();
    let routes = snapshot.routes();
    let lane = |r: &Arc<Route>| {
        Some(Lane {
            name: r.name.clone(),
            rules: r.asynchronous.clone()?,
            bound: bound(r, &shared.kept),
        })
    };
    routes.filter_map(lane).collect()
}

async fn look(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = jobs.news.notified() => {}
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.draining.load(Relaxed) {
            return;
        }
        let Some(queue) = jobs.queue() else { continue };
        for lane in lanes(&shared) {
            lend(&jobs, &shared, &queue, lane).await;
        }
    }
}

/// Begins as many deliveries of the lane as there is room for.
async fn lend(jobs: &Arc<Jobs>, shared: &Arc<Shared>, queue: &Arc<dyn Queue>, lane: Lane) {
    let pace = jobs.pace(&lane.name);
    let now = shared.clock.now();
    let room = lock(&pace).room(lane.bound, now).min(LEASED);
    if room == 0 {
        return;
    }
    let now_ms = jobs.now_ms(now);
    let until_ms = now_ms + (lane.rules.timeout + SPARE).as_millis() as u64;
    let leased = match queue
        .lease(&lane.name, room as usize, until_ms, now_ms)
        .await
    {
        Ok(leased) => leased,
        Err(e) => {
            tracing::error!(lane = %lane.name, "no job can be lent: {e}");
            lock(&pace).away(AGAIN, "the queue cannot be written", now);
            return;
        }
    };
    lock(&pace).begin(leased.len() as u32);
    for job in leased {
        let run = Run {
            jobs: jobs.clone(),
            shared: Arc::downgrade(shared),
            queue: queue.clone(),
            pace: pace.clone(),
            rules: lane.rules.clone(),
        };
        tokio::spawn(run.deliver(job));
    }
}

fn lock(pace: &Mutex<Pace>) -> std::sync::MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(|e| e.into_inner())
}

/// One delivery.
struct Run {
    jobs: Arc<Jobs>,
    shared: Weak<Shared>,
    queue: Arc<dyn Queue>,
    pace: Arc<Mutex<Pace>>,
    rules: Arc<Async>,
}

impl Run {
    async fn deliver(self, job: Leased) {
        let (id, attempt) = (job.id, job.attempt);
        let (how, answered) = match attempt > self.rules.attempts {
            // Only a process that ended within an attempt leaves one more than there should be.
            true => {
                let reason = format!("none of {} attempts came back", attempt - 1);
                let result = Vec::new();
                (Finish::Dead { reason, result }, None)
            }
            false => self.attempt(job).await,
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let now = shared.clock.now();
        self.learn(answered.as_ref(), &how, now);
        self.say(id, attempt, how).await;
        self.jobs.ended(id);
        self.jobs.news.notify_one();
    }

    async fn attempt(&self, job: Leased) -> (Finish, Option<Answered>) {
        let payload = match job.payload {
            store::Payload::Inline(bytes) => Ok(bytes),
            file => tokio::task::spawn_blocking(|| file.read())
                .await
                .unwrap_or_else(|e| Err(store::Error::Invalid(e.to_string()))),
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(e) => return (dead(format!("its payload cannot be read: {e}")), None),
        };
        let text = job.id.to_string();
        let delivery = Delivery {
            id: &text,
            attempt: job.attempt,
            enqueued_s: job.enqueued_ms / 1000,
            expires_s: job.expires_ms / 1000,
        };
        let Some((request, secure)) = carry::send(&job.head, &payload, &delivery) else {
            return (dead("its head is damaged".into()), None);
        };
        let end = request.iter().position(|&b| b == b' ').unwrap_or(0);
        let method = Method::from_bytes(&request[..end]);
        let (errand, waiting) = Errand::new(request, secure);
        let until = Instant::now() + self.rules.timeout;
        // One that no thread takes is dropped, and so comes back at once.
        self.hand(errand);
        let back = timeout_at(until, waiting.back).await;
        let (answered, kept) = match back {
            Ok(Ok(back)) => {
                let (answered, mut kept) = carry::answered(&back.answer, method, back.tried);
                if back.cut {
                    kept.lines
                        .extend_from_slice(b"Plimsoll-Truncated: true\r\n");
                }
                (answered, kept)
            }
            // The process ends, or the thread has no room.
            Ok(Err(_)) => (Answered::default(), carry::Kept::default()),
            Err(_) => {
                let late = Answered {
                    tried: true,
                    ..Answered::default()
                };
                (late, carry::Kept::default())
            }
        };
        let random = mix(job.id.secret as u64 ^ u64::from(job.attempt));
        let how = self.finish(decide(&answered, job.attempt, &self.rules, random), kept);
        (how, Some(answered))
    }

    fn finish(&self, outcome: Outcome, mut kept: carry::Kept) -> Finish {
        let now = self
            .shared
            .upgrade()
            .map_or(0, |s| self.jobs.now_ms(s.clock.now()));
        let at_ms = |wait: Duration| now + wait.as_millis() as u64;
        match outcome {
            Outcome::Done => Finish::Done {
                result: kept.write(),
            },
            Outcome::Retry(wait, reason) => Finish::Retry {
                at_ms: at_ms(wait),
                reason,
            },
            Outcome::Release(wait, reason) => Finish::Release {
                at_ms: at_ms(wait),
                reason,
            },
            Outcome::Dead(reason) => {
                kept.body.truncate(LAST_ANSWER);
                Finish::Dead {
                    reason,
                    result: kept.write(),
                }
            }
        }
    }

    /// Hands the errand to the traffic thread with the fewest connections.
    fn hand(&self, errand: Errand) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let least = (0..shared.hand.len()).min_by_key(|i| shared.loads[*i].load(Relaxed));
        let Some(i) = least else { return };
        shared.loads[i].fetch_add(1, Relaxed);
        if shared.hand[i].try_send(Fresh::errand(errand)).is_err() {
            shared.loads[i].fetch_sub(1, Relaxed);
        }
    }

    fn learn(&self, answered: Option<&Answered>, how: &Finish, now: base::Nanos) {
        let mut pace = lock(&self.pace);
        let most = self.rules.concurrency;
        match (answered, how) {
            (Some(_), Finish::Release { reason, .. }) => pace.away(AGAIN, reason, now),
            (Some(a), _) if matches!(a.status, 429 | 503) => {
                let wait = a.retry_after.unwrap_or(AGAIN).min(Duration::from_secs(60));
                pace.overloaded(wait, &format!("the service says {}", a.status), now);
            }
            _ => pace.through(most, now),
        }
    }

    /// Until it is on disk: what is not written down is delivered once more.
    async fn say(&self, id: store::JobId, attempt: u32, how: Finish) {
        let until = Instant::now() + SPARE;
        while let Some(now) = self.shared.upgrade().map(|s| s.clock.now()) {
            let said = self
                .queue
                .finish(id, attempt, how.clone(), self.jobs.now_ms(now));
            match said.await {
                Ok(_) => return,
                Err(e) if Instant::now() > until => {
                    return tracing::error!(job = %id, "what came of it is lost, it will be delivered again: {e}");
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

fn dead(reason: String) -> Finish {
    Finish::Dead {
        reason,
        result: Vec::new(),
    }
}

/// Forgets what ended long ago, and looks at how much waits.
async fn forget(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    let mut tick = interval(FORGET);
    loop {
        tick.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Some(queue) = jobs.queue() else { continue };
        let keep = lanes(&shared).iter().map(|l| l.rules.keep).max();
        let Some(keep) = keep else { continue };
        let now_ms = jobs.now_ms(shared.clock.now());
        let before = |ms: u64| now_ms.saturating_sub(ms);
        let forgotten = queue.forget(before(keep.as_millis() as u64), before(DEAD_MS), FORGOTTEN);
        if let Err(e) = forgotten.await {
            tracing::error!("what ended long ago cannot be forgotten: {e}");
        }
        let looked = tokio::task::spawn_blocking(move || queue.lanes()).await;
        if let Ok(Ok(lanes)) = looked {
            jobs.set_depths(&lanes);
        }
    }
}
