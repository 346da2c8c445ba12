//! The gate: holds the body, has the job written, and answers 202; with `wait` the result, if it comes in time.

use super::core::{Preference, due_ms, is_job};
use crate::exchange::{Exchange, Reply};
use crate::gate::{Gate, Hold, Making, Slot, Step};
use crate::jobs::carry::{self, Kept};
use crate::jobs::eta::retry_after;
use crate::jobs::{Jobs, PREFIX, resource};
use crate::request::idempotency::Claim;
use base::Nanos;
use config::sections::{Async, OnDead};
use ring::rand::{SecureRandom, SystemRandom};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use store::{Ack, Bounds, Error, JobId, NewJob, State};

/// On routes with `async`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.route.asynchronous.clone()?;
    // Services that share a route's users share its jobs: whose turn it is is found anew at each delivery.
    Some(Arc::new(AsyncGate {
        jobs: m.kept.get("jobs", Jobs::default),
        lane: m.undivided().into(),
        weights: (m.identity.iter())
            .flat_map(|i| &i.tenants)
            .map(|t| t.weight)
            .collect(),
        rules,
    }))
}

struct AsyncGate {
    jobs: Arc<Jobs>,
    lane: Arc<str>,
    /// Of the tenants that are listed.
    weights: Box<[u32]>,
    rules: Async,
}

/// What a wait has brought, when it is over.
type Later<T> = Rc<RefCell<Option<T>>>;

/// Where one request stands.
enum Stage {
    Body(Preference),
    Written(Asked, Later<Result<Vec<JobId>, Error>>),
    /// And in how many seconds it is due.
    Result(JobId, f64, Later<Reply>),
}

/// What a client wants of its job, and in how many seconds it is due.
#[derive(Clone, Copy)]
struct Asked {
    preference: Preference,
    due_in: f64,
}

impl AsyncGate {
    fn weight(&self, listed: Option<u16>) -> u32 {
        let weight = listed.and_then(|i| self.weights.get(usize::from(i)));
        weight.copied().unwrap_or(1)
    }

    fn job(&self, x: &mut Exchange<'_>, payload: Vec<u8>, now: Nanos) -> Result<NewJob, Reply> {
        let now_ms = self.jobs.now_ms(now);
        let due = due_ms(x.head.get("plimsoll-deliver-at"), now_ms);
        let due_ms = due.map_err(|what| Reply::problem(400, "deliver-at", &what))?;
        let text = |b: &[u8]| {
            String::from_utf8_lossy(b)
                .chars()
                .take(200)
                .collect::<String>()
        };
        let order_by = self.rules.order_by.as_deref();
        let key = order_by
            .and_then(|name| x.head.get(name))
            .filter(|v| !v.is_empty());
        // With a key it was written down before: the job is found by it.
        let claimed = x.claim.as_ref().and_then(|c| c.secret);
        let secret = claimed.or_else(secret).ok_or_else(resource::away)?;
        Ok(NewJob {
            secret,
            lane: self.lane.to_string(),
            tenant: x.tenant.map_or(String::new(), |t| format!("{:x}", t.hash)),
            weight: self.weight(x.tenant.and_then(|t| t.listed)),
            key: key.map(text),
            blocks: self.rules.on_dead == OnDead::Block,
            enqueued_ms: now_ms,
            due_ms,
            expires_ms: due_ms + self.rules.ttl.as_millis() as u64,
            title: format!("{} {}", text(x.head.method_name()), text(x.head.path())),
            head: carry::keep(&x.head, x.client, x.secure),
            payload,
        })
    }

    /// Has it written; a job that cannot be is never accepted.
    fn write(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        preference: Preference,
        now: Nanos,
    ) -> Step {
        let payload = x.held.take().unwrap_or_default();
        let job = match self.job(x, payload, now) {
            Ok(job) => job,
            Err(reply) => return refused(x, reply),
        };
        let Some(queue) = self.jobs.queue() else {
            return refused(x, resource::away());
        };
        let due_in = resource::due_in(job.due_ms, job.enqueued_ms);
        // Whose turn comes when is not known here.
        if x.tenant.is_none()
            && let Some(reply) = self.too_late(due_in)
        {
            return refused(x, reply);
        }
        let bounds = Bounds {
            jobs: self.rules.jobs,
            bytes: self.rules.bytes,
        };
        let ack = queue.enqueue(vec![job], bounds);
        let said = Rc::new(RefCell::new(None));
        let asked = Asked { preference, due_in };
        *slot = Slot::boxed(Stage::Written(asked, said.clone()));
        let Some(claim) = x.claim.take() else {
            return Step::Wait(Box::pin(async move {
                *said.borrow_mut() = Some(ack.await);
            }));
        };
        // Goes on without its client: the key must name the job, if there is one.
        let named = tokio::spawn(name(ack, claim));
        Step::Wait(Box::pin(async move {
            let stopped = |_| Err(Error::Stopped("the process ends".into()));
            *said.borrow_mut() = Some(named.await.unwrap_or_else(stopped));
        }))
    }

    /// Jobs before it take longer than it has, by what the model knows and however well it goes. How fast jobs ended of late tells
    /// nothing of when a service comes back.
    fn too_late(&self, due_in: f64) -> Option<Reply> {
        let least = self.jobs.least(&self.lane)?;
        let over = least - (due_in + self.rules.ttl.as_secs_f64());
        if over <= 0.0 {
            return None;
        }
        let what = format!(
            "jobs that wait take {least:.0} s or more, and this one is to be done within {} s (`ttl`)",
            self.rules.ttl.as_secs()
        );
        let after = over.ceil().clamp(1.0, 3600.0) as u64;
        Some(Reply::problem(503, "job-too-late", &what).with("Retry-After", after.to_string()))
    }

    fn written(
        &self,
        slot: &mut Slot,
        asked: Asked,
        said: Option<Result<Vec<JobId>, Error>>,
        now: Nanos,
    ) -> Step {
        let id = match said {
            Some(Ok(ids)) if ids.len() == 1 => ids[0],
            Some(Err(e @ Error::TooLarge { .. })) => {
                return Step::Answer(Reply::problem(413, "job-size", &e.to_string()));
            }
            Some(Err(e)) => {
                let reply = Reply::problem(503, "job-refused", &e.to_string());
                return Step::Answer(reply.with("Retry-After", self.after(0.0, now)));
            }
            _ => return Step::Answer(resource::away()),
        };
        self.jobs.news.notify_one();
        let wait = asked.preference.wait.filter(|w| !w.is_zero());
        match wait.and_then(|w| self.wait(slot, id, asked.due_in, w)) {
            Some(step) => step,
            None => Step::Answer(self.accepted(id, asked.due_in, now)),
        }
    }

    fn after(&self, due_in: f64, now: Nanos) -> String {
        let after = retry_after(self.jobs.eta(&self.lane, now), due_in);
        after.as_secs().to_string()
    }

    fn accepted(&self, id: JobId, due_in: f64, now: Nanos) -> Reply {
        let kept = accepted(id);
        Reply::stored(kept.status, kept.lines.into(), kept.body.into())
            .with("Retry-After", self.after(due_in, now))
    }

    /// Waits for the end of the job; `None`: too many do.
    fn wait(&self, slot: &mut Slot, id: JobId, due_in: f64, longest: Duration) -> Option<Step> {
        let (queue, told) = (self.jobs.queue()?, self.jobs.wait_for(id)?);
        let said = Rc::new(RefCell::new(None));
        *slot = Slot::boxed(Stage::Result(id, due_in, said.clone()));
        Some(Step::Wait(Box::pin(async move {
            let until = tokio::time::Instant::now() + longest;
            // Retries end nothing: it is told of each attempt, and looks again. It may have ended before it was waited for.
            loop {
                let queue = queue.clone();
                let look = move || match queue.job(id) {
                    Ok(Some(job)) if job.state == State::Done => queue.result(id).ok().flatten(),
                    _ => None,
                };
                let found = tokio::task::spawn_blocking(look).await;
                if let Ok(Some(result)) = found {
                    *said.borrow_mut() = Some(resource::stored(&result));
                    break;
                }
                if tokio::time::timeout_at(until, told.notified())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        })))
    }
}

/// No job comes of it: its key is free before the client hears that.
fn refused(x: &mut Exchange<'_>, reply: Reply) -> Step {
    if let Some(claim) = x.claim.take() {
        drop(claim.free());
    }
    Step::Answer(reply)
}

/// Of a job that is to be made; `None`: the system has no randomness.
pub fn secret() -> Option<u128> {
    let mut secret = [0; 16];
    SystemRandom::new().fill(&mut secret).ok()?;
    Some(u128::from_ne_bytes(secret))
}

/// The answer to whoever made the job.
pub fn accepted(id: JobId) -> Kept {
    let place = format!("{PREFIX}{id}");
    let lines = format!(
        "Content-Type: application/json\r\nLocation: {place}\r\nPreference-Applied: respond-async\r\n"
    );
    let body = format!("{{\"id\":\"{id}\",\"state\":\"waiting\",\"href\":\"{place}\"}}\n");
    Kept {
        status: 202,
        lines: lines.into(),
        body: body.into(),
    }
}

/// The job is on disk before its key says so. After a crash in between it is looked for by its secret, which the claim has.
async fn name(ack: Ack<Vec<JobId>>, claim: Claim) -> Result<Vec<JobId>, Error> {
    let said = ack.await;
    match said.as_deref() {
        Ok([id]) => {
            if let Err(e) = claim.answered(accepted(*id)).await {
                tracing::error!(job = %id, "its Idempotency-Key does not name it: {e}");
            }
        }
        _ => drop(claim.free().await),
    }
    said
}

impl Gate for AsyncGate {
    fn name(&self) -> &'static str {
        "async"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let preference = Preference::of(&x.head);
        if !is_job(self.rules.when, preference) || x.head.is_upgrade() {
            return Step::Go;
        }
        *slot = Slot::boxed(Stage::Body(preference));
        Step::Hold(Hold {
            most: self.rules.body,
            reason: "job-size",
            what: "a request that becomes a job",
        })
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Slot::Boxed(stage) = slot.take() else {
            return Step::Go;
        };
        match stage.downcast::<Stage>().map(|s| *s) {
            Ok(Stage::Body(preference)) => self.write(x, slot, preference, now),
            Ok(Stage::Written(asked, said)) => {
                let said = said.borrow_mut().take();
                self.written(slot, asked, said, now)
            }
            Ok(Stage::Result(id, due_in, said)) => {
                self.jobs.stop_waiting(id);
                let result = said.borrow_mut().take();
                Step::Answer(result.unwrap_or_else(|| self.accepted(id, due_in, now)))
            }
            Err(_) => Step::Go,
        }
    }

    fn leave(&self, _facts: &mut crate::exchange::Facts, slot: &mut Slot, _now: Nanos) {
        // The client has gone while it waited.
        if let Some(Stage::Result(id, ..)) = slot.get::<Stage>() {
            self.jobs.stop_waiting(*id);
        }
    }
}
