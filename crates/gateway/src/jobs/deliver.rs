//! Leases what is due, sends it over the path, and says what came of it.

use super::carry::{self, Delivery};
use super::known::Known;
use super::outcome::{AGAIN, Answered, Outcome, decide, is_gone, said};
use super::pace::{self, Bound, Pace};
use super::still::{self, Still};
use super::{Errand, Jobs};
use crate::attempt::limit::core::{Limit, PERMIT};
use crate::attempt::limit::{Cost, Limiter};
use crate::gate::Kept;
use crate::hash::mix;
use crate::listen::Fresh;
use crate::runtime::Shared;
use crate::snapshot::{Route, Snapshot};
use crate::topics::{Subscriber, health, push};
use config::sections::{Async, Receiver};
use http1::Method;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use store::{Finish, Leased, Payload, Queue};
use tokio::time::{Instant, interval, timeout_at};

/// How often lanes are looked at when there is no news.
const LOOK: Duration = Duration::from_millis(100);
/// A lease is longer than the attempt by this much, for what comes after it.
const SPARE: Duration = Duration::from_secs(30);
/// Most jobs of a lane that are leased in one look.
const LEASED: u32 = 64;
/// Before a webhook is looked at again that was not called: its secret is missing, or it does not agree.
const KEPT_BACK: Duration = Duration::from_secs(10);
/// An attempt that is under way is given up once another process has waited for the queue for so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// First bytes of a dead job's last answer.
const LAST_ANSWER: usize = 4096;

/// Delivers until the gateway ends.
pub fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    let (jobs, shared) = (shared.jobs.clone(), Arc::downgrade(shared));
    control.spawn(look(jobs.clone(), shared.clone()));
    control.spawn(super::depth::look(jobs.clone(), shared.clone()));
    control.spawn(super::still::follow(jobs.clone(), shared.clone()));
    control.spawn(super::forget::forget(jobs, shared));
}

/// A route that takes jobs, or a subscription that events are pushed to.
struct Lane {
    name: Arc<str>,
    rules: Arc<Async>,
    bound: Bound,
    /// Its jobs all go to one path: who is gone there is gone for all.
    is_one: bool,
    subscriber: Option<Arc<Subscriber>>,
}

/// The limit of a route's service, and what of it is in flight, in thousandths of a permit; `None`: there is none.
fn limit(route: &Route, kept: &Kept) -> Option<(u64, u64)> {
    let limiter = kept.get(&route.service.name, Limiter::default);
    match limiter.limit(route.service.config.limit) {
        Limit::None => None,
        Limit::Observe(limit) | Limit::Enforce(limit) => Some((limit, limiter.in_flight())),
    }
}

/// How many permits of it one attempt takes.
fn cost(route: &Route, kept: &Kept) -> f64 {
    match route.service.config.limit {
        Some(_) => 1.0,
        None => kept.get(&route.name, Cost::default).held() as f64 / PERMIT as f64,
    }
}

fn bound(route: &Route, kept: &Kept) -> Bound {
    let cost = cost(route, kept);
    let limit = limit(route, kept);
    Bound {
        most: route.asynchronous.as_ref().map_or(0, |r| r.concurrency),
        free: limit.map(|(limit, used)| pace::free(limit, used, cost)),
        spare: limit.map(|(limit, used)| pace::spare(limit, used)),
        line: limit.map(|(limit, _)| pace::line(limit).max(cost)),
        rate: None,
        demand: kept.get(&route.name, Known::default).get(),
        is_configured: route.service.config.limit.is_some(),
        cost,
    }
}

fn bound_of_subscriber(s: &Subscriber, kept: &Kept) -> Bound {
    Bound {
        most: s.rules.concurrency,
        free: s.route.as_ref().and_then(|r| {
            let (limit, used) = limit(r, kept)?;
            Some(pace::free(limit, used, cost(r, kept)))
        }),
        rate: s.rate(),
        ..Bound::NOTHING
    }
}

/// What bounds the deliveries of a lane from outside.
pub fn bound_of(snapshot: &Snapshot, lane: &str, kept: &Kept) -> Bound {
    if let Some(s) = snapshot.subscriber(lane) {
        return bound_of_subscriber(s, kept);
    }
    let route = snapshot.routes().find(|r| *r.name == *lane);
    route.map_or(Bound::NOTHING, |r| bound(r, kept))
}

fn lanes(shared: &Shared) -> Vec<Lane> {
    let snapshot = shared.current.load();
    let of_route = |r: &Arc<Route>| {
        Some(Lane {
            name: r.name.clone(),
            rules: r.asynchronous.clone()?,
            bound: bound(r, &shared.kept),
            is_one: !r.template.contains('{'),
            subscriber: None,
        })
    };
    let of_subscriber = |s: &Arc<Subscriber>| Lane {
        name: s.lane.clone(),
        rules: s.rules.clone(),
        bound: bound_of_subscriber(s, &shared.kept),
        is_one: false,
        subscriber: Some(s.clone()),
    };
    let subscribers = snapshot.subscribers().iter().map(of_subscriber);
    (snapshot.routes().filter_map(of_route))
        .chain(subscribers)
        .collect()
}

/// How long jobs are kept that have ended: as long as the lane that wants it longest.
pub fn keep(shared: &Shared) -> Duration {
    let longest = lanes(shared).iter().map(|l| l.rules.keep).max();
    longest.unwrap_or_else(|| Async::default().keep)
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
        if jobs.queues().is_empty() {
            continue;
        }
        for lane in lanes(&shared) {
            let of_topics = || jobs.broker().map(|broker| broker as Arc<dyn Queue>);
            let queue = match lane.subscriber {
                Some(_) => of_topics(),
                None => jobs.queue(),
            };
            if let Some(queue) = queue {
                lend(&jobs, &shared, &queue, lane).await;
            }
        }
    }
}

/// Begins as many deliveries of the lane as there is room for.
async fn lend(jobs: &Arc<Jobs>, shared: &Arc<Shared>, queue: &Arc<dyn Queue>, lane: Lane) {
    if lane.subscriber.is_none() && jobs.may_stand_still(&lane.name) {
        return;
    }
    let pace = jobs.pace(&lane.name);
    let now = shared.clock.now();
    jobs.set_bound(&lane.name, lane.bound);
    let mut room = lock(&pace).room(lane.bound, now).min(LEASED);
    // Each call outside holds a thread.
    if lane.subscriber.as_ref().is_some_and(|s| s.route.is_none()) {
        room = room.min(jobs.calls.permits.available_permits() as u32);
    }
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
    let is_still = {
        let (mut pace, n) = (lock(&pace), leased.len() as u32);
        pace.begin(n);
        pace.spend(n, lane.bound.rate, now);
        // Somebody has said so since it was asked for them.
        pace.is_still()
    };
    for job in leased {
        let run = Run {
            jobs: jobs.clone(),
            lane: lane.name.clone(),
            is_one: lane.is_one,
            shared: Arc::downgrade(shared),
            queue: queue.clone(),
            changes_hands: lane.subscriber.is_some() || jobs.shared().is_none(),
            pace: pace.clone(),
            rules: lane.rules.clone(),
            subscriber: lane.subscriber.clone(),
        };
        match is_still {
            true => tokio::spawn(run.put_back(job)),
            false => tokio::spawn(run.deliver(job)),
        };
    }
}

fn lock(pace: &Mutex<Pace>) -> std::sync::MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(|e| e.into_inner())
}

/// One delivery.
struct Run {
    jobs: Arc<Jobs>,
    lane: Arc<str>,
    is_one: bool,
    shared: Weak<Shared>,
    queue: Arc<dyn Queue>,
    /// Another process may wait for the queue.
    changes_hands: bool,
    pace: Arc<Mutex<Pace>>,
    rules: Arc<Async>,
    subscriber: Option<Arc<Subscriber>>,
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
            false => tokio::select! {
                came = self.attempt(job) => came,
                // Whoever is asked may have got it, and gets it once more.
                () = self.jobs.taken(PATIENCE), if self.changes_hands => (released(self.now_ms().unwrap_or(0), "another process takes over"), None),
            },
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let now = shared.clock.now();
        drop(shared);
        // Before there is room for another.
        if let Some(answered) = answered.as_ref().filter(|a| self.is_one && is_gone(a)) {
            let why = format!("the service says that it is gone ({})", said(answered));
            self.stand_still(why).await;
        }
        self.learn(answered.as_ref(), &how, now);
        self.say(id, attempt, how).await;
        self.jobs.ended(id);
        self.jobs.news.notify_one();
    }

    /// It was not sent.
    async fn put_back(self, job: Leased) {
        lock(&self.pace).give_back();
        let how = released(self.now_ms().unwrap_or(0), "nothing is sent now");
        self.say(job.id, job.attempt, how).await;
    }

    async fn attempt(&self, job: Leased) -> (Finish, Option<Answered>) {
        let payload = match read(job.payload.clone()).await {
            Ok(payload) => payload,
            Err(e) => return (dead(format!("its payload cannot be read: {e}")), None),
        };
        if let Some(subscriber) = self.subscriber.clone() {
            return self.push(&subscriber, &job, payload).await;
        }
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
        let (answered, kept) = self.send(request, secure, None).await;
        let how = decide(&answered, job.attempt, &self.rules, random(&job));
        (self.finish(how, kept), Some(answered))
    }

    /// To a service over the path, or to a webhook.
    async fn push(
        &self,
        s: &Arc<Subscriber>,
        job: &Leased,
        payload: Vec<u8>,
    ) -> (Finish, Option<Answered>) {
        let Some(event) = cloudevents::Event::kept(&job.head, payload) else {
            return (dead("the event is damaged".into()), None);
        };
        let Receiver::Webhook(endpoint) = &s.config.to else {
            let request = push::request(s, event, job);
            let (answered, mut kept) = self.send(request, false, Some(s.lane.clone())).await;
            // Nobody asks what a subscriber answered, unless it is why an event is dead.
            let how = match push::never_passes(&answered) {
                Some(why) => Outcome::Dead(why),
                None => decide(&answered, job.attempt, &self.rules, random(job)),
            };
            if how == Outcome::Done {
                kept = carry::Kept::default();
            }
            return (self.finish(how, kept), Some(answered));
        };
        let Some(now_ms) = self.now_ms() else {
            return (released(0, "the process ends"), None);
        };
        let said = push::call(&self.jobs, s, endpoint, event, job, now_ms).await;
        let (answered, body) = match said {
            Ok(said) => said,
            // It was not called: what stands in the way is our own.
            Err(why) => {
                let kept_back = Answered {
                    reason: why,
                    retry_after: Some(KEPT_BACK),
                    ..Answered::default()
                };
                let how = decide(&kept_back, job.attempt, &self.rules, 0);
                return (self.finish(how, carry::Kept::default()), Some(kept_back));
            }
        };
        let now_ms = self.now_ms().unwrap_or(now_ms);
        let Some(broker) = self.jobs.broker() else {
            let how = push::decide(&answered, job.attempt, &endpoint.retry, random(job));
            return (self.finish(how, carry::Kept::default()), Some(answered));
        };
        match health::learn(&self.jobs, &broker, s, &answered, now_ms).await {
            // It waits until somebody resumes the subscription.
            Ok(true) => return (released(now_ms, "the webhook is disabled"), Some(answered)),
            Ok(false) => {}
            Err(e) => tracing::error!(lane = %s.lane, "how the webhook does cannot be kept: {e}"),
        }
        let how = push::decide(&answered, job.attempt, &endpoint.retry, random(job));
        let kept = carry::Kept {
            status: answered.status,
            lines: Vec::new(),
            body,
        };
        (self.finish(how, kept), Some(answered))
    }

    /// Over the path. `lane`: of a subscription.
    async fn send(
        &self,
        request: Vec<u8>,
        secure: bool,
        lane: Option<Arc<str>>,
    ) -> (Answered, carry::Kept) {
        let end = request.iter().position(|&b| b == b' ').unwrap_or(0);
        let method = Method::from_bytes(&request[..end]);
        let (mut errand, waiting) = Errand::new(request, secure);
        errand.lane = lane;
        let until = Instant::now() + self.rules.timeout;
        // One that no thread takes is dropped, and so comes back at once.
        self.hand(errand);
        let back = timeout_at(until, waiting.back).await;
        match back {
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
        }
    }

    fn now_ms(&self) -> Option<u64> {
        let shared = self.shared.upgrade()?;
        Some(self.jobs.now_ms(shared.clock.now()))
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
            (Some(a), Finish::Release { reason, .. }) => {
                let asked = a.retry_after.filter(|_| self.is_webhook());
                pace.away(asked.unwrap_or(AGAIN), reason, now);
            }
            // A webhook that fails is asked more slowly, whatever it says.
            (Some(a), Finish::Retry { reason, .. } | Finish::Dead { reason, .. })
                if self.is_webhook() =>
            {
                let wait = a.retry_after.unwrap_or(AGAIN).min(Duration::from_secs(60));
                pace.overloaded(wait, reason, now);
            }
            (Some(a), _) if matches!(a.status, 429 | 503) => {
                let wait = a.retry_after.unwrap_or(AGAIN).min(Duration::from_secs(60));
                pace.overloaded(wait, &format!("the service says {}", a.status), now);
            }
            _ => pace.through(most, now),
        }
    }

    /// Until somebody resumes the route.
    async fn stand_still(&self, why: String) {
        tracing::error!(route = %self.lane, "its jobs are not delivered any more: {why}; `plimsoll jobs resume` goes on");
        let (jobs, lane) = (self.jobs.clone(), self.lane.clone());
        let (now_ms, still) = (self.now_ms().unwrap_or(0), Some(Still::Gone(why)));
        let keep = move || still::set(&jobs, &lane, still, now_ms);
        if let Ok(Err(e)) = tokio::task::spawn_blocking(keep).await {
            tracing::error!(route = %self.lane, "only this process knows that yet: {e}");
        }
    }

    fn is_webhook(&self) -> bool {
        self.subscriber.as_ref().is_some_and(|s| s.route.is_none())
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

async fn read(payload: Payload) -> Result<Vec<u8>, store::Error> {
    match payload {
        Payload::Inline(bytes) => Ok(bytes),
        file => tokio::task::spawn_blocking(|| file.read())
            .await
            .unwrap_or_else(|e| Err(store::Error::Invalid(e.to_string()))),
    }
}

fn random(job: &Leased) -> u64 {
    mix(job.id.secret as u64 ^ u64::from(job.attempt))
}

fn released(at_ms: u64, reason: &str) -> Finish {
    Finish::Release {
        at_ms,
        reason: reason.into(),
    }
}

fn dead(reason: String) -> Finish {
    Finish::Dead {
        reason,
        result: Vec::new(),
    }
}
