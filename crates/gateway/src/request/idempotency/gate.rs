//! The gate: holds the body, has its key claimed, and keeps the answer on its way out.

use super::claim::{Claim, Claims, Turn};
use super::core::{Fingerprint, Left, Verdict, applies, judge, left, needs_key, not_found, sent};
use super::record::{Record, Stage as Stored, Wanted};
use crate::exchange::{Exchange, Facts, Failed, Outgoing, Reply, ResponseHead};
use crate::gate::{BodyNeed, Gate, Hold, Making, Needs, Slot, Step};
use crate::jobs::Jobs;
use crate::jobs::carry::Kept;
use crate::request::respond_async::core::{Preference, is_job};
use crate::request::respond_async::{accepted, secret};
use crate::request::session::core::WISHES;
use crate::state::{Lent, State};
use crate::tally::Tally;
use base::Nanos;
use config::sections::{Idempotency, StoreDown, When};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use store::{Entry, Error, Etag, JobId, Precondition, Put};
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// What all keys begin with in the store.
pub const PREFIX: &str = "idem/";
/// How long an exchange may last beyond its deadline, as far as other gateways are told.
const SPARE: Duration = Duration::from_secs(60);
/// A store that takes longer is as good as away.
const LONGEST: Duration = Duration::from_secs(5);
/// How often a key is claimed that others claim and free meanwhile.
const TRIES: u8 = 3;

const NAMES: &[&str] = &[
    "replayed",
    "in_progress",
    "mismatch",
    "unknown",
    "refused",
    "store_down",
];

#[derive(Clone, Copy)]
enum Note {
    Replayed,
    InProgress,
    Mismatch,
    Unknown,
    Refused,
    StoreDown,
}

/// On routes with `idempotency`, for what does not become a job.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    gate(m, false)
}

/// For what does: a job is not shed, but accepted further out.
pub fn make_for_jobs(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    m.route.asynchronous.as_ref()?;
    gate(m, true)
}

fn gate(m: &Making<'_>, for_jobs: bool) -> Option<Arc<dyn Gate>> {
    let rules = m.route.idempotency.clone()?;
    // Services that share a route's users share its keys.
    let prefix = format!("{PREFIX}{}/", m.undivided());
    let state = m.kept.get("state", State::default);
    Some(Arc::new(IdempotencyGate {
        count: state.count(&prefix),
        claims: m.kept.get("claims", Claims::default),
        tally: Tally::of(m.kept, "idempotency", &m.route.name, NAMES),
        jobs: m.route.asynchronous.as_ref().map(|a| a.when),
        queued: m.route.asynchronous.as_ref().map(|a| Queued {
            jobs: m.kept.get("jobs", Jobs::default),
            lane: m.undivided().to_owned(),
            keep: a.keep,
        }),
        longest: m.route.deadline.first_byte.unwrap_or_default() + SPARE,
        state,
        prefix,
        rules,
        for_jobs,
    }))
}

struct IdempotencyGate {
    rules: Idempotency,
    /// `None`: the route takes no jobs.
    jobs: Option<When>,
    for_jobs: bool,
    /// Where the jobs are; `None`: the route takes none.
    queued: Option<Queued>,
    /// Of the route's keys.
    prefix: String,
    count: Arc<AtomicU64>,
    longest: Duration,
    state: Arc<State>,
    claims: Arc<Claims>,
    tally: Arc<Tally>,
}

/// The jobs of a route.
struct Queued {
    jobs: Arc<Jobs>,
    lane: String,
    /// How long one is known after its end.
    keep: Duration,
}

/// What a wait has brought, when it is over.
type Later<T> = Rc<RefCell<Option<Result<T, Error>>>>;

/// A key that is nobody else's here, and not claimed yet.
struct Begun {
    turn: Turn,
    lent: Lent,
    fingerprint: Fingerprint,
    now_ms: u64,
    tries: u8,
    /// What is made of it; `None`: no job.
    job: Option<Wanted>,
    /// Nothing new is claimed: there are too many keys.
    full: bool,
}

/// Where one request stands.
enum Stage {
    Body(String),
    Claiming(Begun, Later<Etag>),
    Looking(Begun, Later<Option<Entry>>),
    Finding(Begun, Entry, Wanted, Later<Option<JobId>>),
    Held(Held),
}

/// A claim, and what has come of the answer.
struct Held {
    claim: Option<Claim>,
    most: u64,
    status: Option<u16>,
    /// `None`: there is none yet, or it is too large.
    answer: Option<Kept>,
}

impl Held {
    fn take(&mut self, data: &[u8]) {
        let Some(answer) = &mut self.answer else {
            return;
        };
        if (answer.body.len() + data.len()) as u64 > self.most {
            self.answer = None;
            return;
        }
        answer.body.extend_from_slice(data);
    }

    /// The answer has come whole: it is written down before the client has its end.
    fn whole(&mut self) {
        let (Some(status), Some(_)) = (self.status.filter(|s| *s < 500), &self.claim) else {
            return;
        };
        let stage = match self.answer.take() {
            Some(kept) => Stored::Answered(kept),
            None => Stored::NotKept { status },
        };
        if let Some(claim) = self.claim.take() {
            // Whoever asks next asks the same writer, behind this.
            drop(claim.end(stage));
        }
    }
}

impl IdempotencyGate {
    fn refuse(&self, x: &mut Exchange<'_>, note: Note, reply: Reply) -> Step {
        self.tally.note(x, note as usize);
        Step::Answer(reply)
    }

    /// Whether the request is for this place in the ring.
    fn is_mine(&self, x: &Exchange<'_>) -> bool {
        let job = self
            .jobs
            .is_some_and(|when| is_job(when, Preference::of(&x.head)));
        job == self.for_jobs && applies(x.head.method()) && !x.head.is_upgrade() && !x.is_refresh
    }

    /// The key in the store: of a tenant (and a user, where one is known), a route, and what the client says.
    fn scoped(&self, x: &Exchange<'_>, key: &str) -> String {
        let tenant = x.tenant.map_or(0, |t| t.hash);
        let user = x.user.unwrap_or(0);
        format!("{}{tenant:x}.{user:x}/{key}", self.prefix)
    }

    fn down(&self, x: &mut Exchange<'_>, why: &str) -> Step {
        self.tally.note(x, Note::StoreDown as usize);
        if self.rules.store_down == StoreDown::Pass {
            return Step::Go;
        }
        let detail = format!(
            "the request was not sent, because its Idempotency-Key cannot be written down: {why}"
        );
        Step::Answer(Reply::problem(503, "idempotency-store", &detail).with("Retry-After", "1"))
    }

    fn in_progress(&self, x: &mut Exchange<'_>) -> Step {
        let detail = "a request with this Idempotency-Key is under way; ask again later";
        let reply = Reply::problem(409, "idempotency-in-progress", detail);
        self.refuse(x, Note::InProgress, reply.with("Retry-After", "1"))
    }

    fn mismatch(&self, x: &mut Exchange<'_>) -> Step {
        let detail =
            "this Idempotency-Key came with another request before; use a key for one request only";
        let reply = Reply::problem(422, "idempotency-mismatch", detail);
        self.refuse(x, Note::Mismatch, reply)
    }

    fn begin(&self, x: &mut Exchange<'_>, slot: &mut Slot, key: String, now: Nanos) -> Step {
        let body = x.held.take().unwrap_or_default();
        let fingerprint = Fingerprint::of(x.head.method_name(), x.head.path_and_query(), &body);
        let Some(lent) = self.state.lent() else {
            return self.down(x, "the store is not open");
        };
        let turn = match self.claims.begin(key, fingerprint) {
            Ok(turn) => turn,
            Err(other) if other == fingerprint => return self.in_progress(x),
            Err(_) => return self.mismatch(x),
        };
        let now_ms = self.state.now_ms(now);
        let wanted = |q: &Queued| {
            secret().map(|secret| Wanted {
                secret,
                kept_ms: now_ms + q.keep.as_millis() as u64,
            })
        };
        let queued = self.queued.as_ref().filter(|_| self.for_jobs);
        let job = queued.and_then(wanted);
        let begun = Begun {
            turn,
            lent,
            fingerprint,
            now_ms,
            job,
            tries: 0,
            full: self.count.load(Relaxed) >= self.rules.keys,
        };
        // Who only looked could overtake an answer that is on its way to disk.
        let precondition = match begun.full {
            true => Precondition::Is(Etag::NONE),
            false => Precondition::Absent,
        };
        self.claim(slot, begun, precondition)
    }

    fn expires_ms(&self, begun: &Begun) -> u64 {
        begun.now_ms + self.rules.keep.as_millis() as u64
    }

    fn claim(&self, slot: &mut Slot, mut begun: Begun, precondition: Precondition) -> Step {
        begun.tries += 1;
        let until_ms = begun.now_ms + self.longest.as_millis() as u64;
        let record = Record {
            fingerprint: begun.fingerprint,
            stage: match begun.job {
                Some(job) => Stored::Queueing { until_ms, job },
                None => Stored::Claimed { until_ms },
            },
        };
        let put = Put {
            key: begun.turn.key.clone(),
            value: record.write(),
            precondition,
            expires_ms: Some(self.expires_ms(&begun)),
        };
        let (key, now_ms) = (put.key.clone(), begun.now_ms);
        let store = begun.lent.durable.clone();
        let ack = store.put(put, now_ms);
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            // Nobody waits for it any more: it is given back.
            if let Err(Ok(etag)) = tell.send(ack.await) {
                let _ = store.delete(&key, Precondition::Is(etag), now_ms).await;
            }
        });
        let said = Later::default();
        *slot = Slot::boxed(Stage::Claiming(begun, said.clone()));
        Step::Wait(Box::pin(async move {
            let stopped = |_| Err(Error::Stopped("the process ends".into()));
            // A claim that comes later is given back.
            let told = timeout(LONGEST, told).await;
            let answer = told.map_or_else(late, |t| t.unwrap_or_else(stopped));
            *said.borrow_mut() = Some(answer);
        }))
    }

    fn claimed(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        begun: Begun,
        said: Option<Result<Etag, Error>>,
    ) -> Step {
        match said {
            Some(Ok(etag)) => self.hold(x, slot, begun, etag),
            Some(Err(Error::Stale { .. })) => self.look(slot, begun),
            Some(Err(e)) => self.down(x, &e.to_string()),
            None => self.down(x, "it did not answer"),
        }
    }

    fn hold(&self, x: &mut Exchange<'_>, slot: &mut Slot, begun: Begun, etag: Etag) -> Step {
        let claim = self.made(begun, etag);
        if self.for_jobs {
            x.claim = Some(claim);
            return Step::Go;
        }
        x.endures = true;
        *slot = Slot::boxed(Stage::Held(Held {
            claim: Some(claim),
            most: self.rules.answer,
            status: None,
            answer: None,
        }));
        Step::Go
    }

    fn made(&self, begun: Begun, etag: Etag) -> Claim {
        self.count.fetch_add(1, Relaxed);
        Claim {
            expires_ms: self.expires_ms(&begun),
            turn: begun.turn,
            state: self.state.clone(),
            etag,
            fingerprint: begun.fingerprint,
            made_ms: begun.now_ms,
            secret: begun.job.map(|j| j.secret),
            count: self.count.clone(),
        }
    }

    fn look(&self, slot: &mut Slot, begun: Begun) -> Step {
        let read = begun
            .lent
            .clone()
            .read(begun.turn.key.clone(), begun.now_ms);
        let said = Later::default();
        *slot = Slot::boxed(Stage::Looking(begun, said.clone()));
        Step::Wait(Box::pin(async move {
            let read = timeout(LONGEST, read).await;
            *said.borrow_mut() = Some(read.unwrap_or_else(late));
        }))
    }

    fn looked(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        begun: Begun,
        said: Option<Result<Option<Entry>, Error>>,
    ) -> Step {
        let entry = match said {
            Some(Ok(entry)) => entry,
            Some(Err(e)) => return self.down(x, &e.to_string()),
            None => return self.down(x, "it did not answer"),
        };
        let Some(entry) = entry else {
            return match begun {
                b if b.full => self.full(x),
                b if b.tries >= TRIES => self.in_progress(x),
                b => self.claim(slot, b, Precondition::Absent),
            };
        };
        let Some(record) = Record::read(&entry.value) else {
            return self.down(x, "what is stored under it is damaged");
        };
        let (alone, replay) = (begun.lent.alone, self.rules.replay);
        let verdict = judge(&record, begun.fingerprint, alone, begun.now_ms, replay);
        self.act(x, slot, begun, entry, verdict)
    }

    fn act(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        begun: Begun,
        entry: Entry,
        verdict: Verdict,
    ) -> Step {
        match verdict {
            Verdict::Replay(kept) => {
                self.tally.note(x, Note::Replayed as usize);
                let reply = Reply::stored(kept.status, kept.lines.into(), kept.body.into());
                Step::Answer(reply.with("Idempotency-Replayed", "true"))
            }
            Verdict::Find(job) => self.find(x, slot, begun, entry, job),
            Verdict::Mismatch => self.mismatch(x),
            Verdict::InProgress => self.in_progress(x),
            Verdict::Again if begun.tries >= TRIES => self.in_progress(x),
            Verdict::Again => self.claim(slot, begun, Precondition::Is(entry.etag)),
            Verdict::NotKept(status) => {
                let detail = format!(
                    "the request with this Idempotency-Key was answered with status {status}, and the answer was not kept: it \
                     was too large, or broke off"
                );
                let reply = Reply::problem(409, "idempotency-answer-not-kept", &detail);
                self.refuse(x, Note::Unknown, reply)
            }
            Verdict::Unknown => {
                let detail = "the request with this Idempotency-Key was sent, and nobody knows what came of it; look whether \
                              it was done, and use another key if it was not";
                let reply = Reply::problem(409, "idempotency-unknown", detail);
                self.refuse(x, Note::Unknown, reply)
            }
        }
    }

    /// Whoever claimed the key is gone, and has made the job or not.
    fn find(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        begun: Begun,
        entry: Entry,
        job: Wanted,
    ) -> Step {
        let queue = self.queued.as_ref().and_then(|q| q.jobs.queue());
        let (Some(queue), Some(queued)) = (queue, &self.queued) else {
            return self.down(x, "the queue of jobs is not open");
        };
        let lane = queued.lane.clone();
        let find = tokio::task::spawn_blocking(move || queue.find(&lane, job.secret));
        let said = Later::default();
        *slot = Slot::boxed(Stage::Finding(begun, entry, job, said.clone()));
        Step::Wait(Box::pin(async move {
            let stopped = |_| Err(Error::Stopped("the process ends".into()));
            let found = timeout(LONGEST, find).await;
            let found = found.map_or_else(late, |f| f.unwrap_or_else(stopped));
            *said.borrow_mut() = Some(found);
        }))
    }

    fn found(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        (begun, entry, job): (Begun, Entry, Wanted),
        said: Option<Result<Option<JobId>, Error>>,
    ) -> Step {
        let found = match said {
            Some(Ok(found)) => found,
            Some(Err(e)) => return self.down(x, &e.to_string()),
            None => return self.down(x, "it did not answer"),
        };
        let verdict = match found {
            Some(id) => {
                let kept = accepted(id);
                let record = Record {
                    fingerprint: begun.fingerprint,
                    stage: Stored::Answered(kept.clone()),
                };
                let put = Put {
                    key: entry.key.clone(),
                    value: record.write(),
                    precondition: Precondition::Is(entry.etag),
                    expires_ms: entry.expires_ms,
                };
                // Else it is looked for again.
                drop(begun.lent.durable.put(put, begun.now_ms));
                Verdict::Replay(kept)
            }
            None => not_found(job, begun.lent.alone, begun.now_ms, self.rules.replay),
        };
        self.act(x, slot, begun, entry, verdict)
    }

    fn full(&self, x: &mut Exchange<'_>) -> Step {
        let detail = format!(
            "the request was not sent: the route remembers {} keys, and no more at once",
            self.rules.keys
        );
        let reply = Reply::problem(503, "idempotency-full", &detail);
        self.refuse(x, Note::Refused, reply.with("Retry-After", "60"))
    }
}

fn late<T>(_: Elapsed) -> Result<T, Error> {
    Err(Error::Stopped("it took too long".into()))
}

/// Lines that a later client gets too.
fn lines(head: &ResponseHead<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    head.each_kept(|name, value| {
        // What services tell the gate of sessions, further out.
        if WISHES
            .iter()
            .any(|w| name.eq_ignore_ascii_case(w.as_bytes()))
        {
            return;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    });
    out
}

impl Gate for IdempotencyGate {
    fn name(&self) -> &'static str {
        "idempotency"
    }

    fn needs(&self) -> Needs {
        Needs {
            response_body: match self.for_jobs {
                true => BodyNeed::None,
                false => BodyNeed::Tap,
            },
            failures: !self.for_jobs,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        if !self.is_mine(x) {
            return Step::Go;
        }
        let named = match sent(&x.head) {
            Ok(named) => named,
            Err(what) => {
                let reply = Reply::problem(400, "idempotency-key-syntax", &what);
                return self.refuse(x, Note::Refused, reply);
            }
        };
        let Some(key) = named else {
            if !(self.rules.required && needs_key(x.head.method_name())) {
                return Step::Go;
            }
            let detail = "this needs an Idempotency-Key, such as Idempotency-Key: \"8e03978e\"";
            let reply = Reply::problem(400, "idempotency-key-missing", detail);
            return self.refuse(x, Note::Refused, reply);
        };
        *slot = Slot::boxed(Stage::Body(self.scoped(x, &key)));
        Step::Hold(Hold {
            most: self.rules.body,
            reason: "idempotency-size",
            what: "a request with an Idempotency-Key",
        })
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Slot::Boxed(stage) = slot.take() else {
            return Step::Go;
        };
        match stage.downcast::<Stage>().map(|s| *s) {
            Ok(Stage::Body(key)) => self.begin(x, slot, key, now),
            Ok(Stage::Claiming(begun, said)) => {
                let said = said.borrow_mut().take();
                self.claimed(x, slot, begun, said)
            }
            Ok(Stage::Looking(begun, said)) => {
                let said = said.borrow_mut().take();
                self.looked(x, slot, begun, said)
            }
            Ok(Stage::Finding(begun, entry, job, said)) => {
                let said = said.borrow_mut().take();
                self.found(x, slot, (begun, entry, job), said)
            }
            Ok(Stage::Held(_)) | Err(_) => Step::Go,
        }
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Some(Stage::Held(held)) = slot.get::<Stage>() {
            let status = out.head.status();
            held.status = Some(status);
            held.answer = (status < 500).then(|| Kept {
                status,
                lines: lines(&out.head),
                body: Vec::new(),
            });
        }
    }

    /// The key is what it will be before the client hears of the failure, and may try again.
    fn failed(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        failed: Failed<'_>,
        _now: Nanos,
    ) -> Option<Reply> {
        if let Some(Stage::Held(held)) = slot.get::<Stage>()
            && let Some(claim) = held.claim.take()
        {
            let status = failed.reason.is_empty().then_some(failed.status);
            self.left(x.facts, claim, status);
        }
        None
    }

    fn tap(&self, slot: &mut Slot, data: &[u8]) {
        let Some(Stage::Held(held)) = slot.get::<Stage>() else {
            return;
        };
        match data.is_empty() {
            true => held.whole(),
            false => held.take(data),
        }
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        if let Some(claim) = facts.claim.take() {
            // No job came of it.
            drop(claim.free());
        }
        let Slot::Boxed(stage) = slot.take() else {
            return;
        };
        match stage.downcast::<Stage>().map(|s| *s) {
            // The client has gone just as it was claimed.
            Ok(Stage::Claiming(begun, said)) => {
                if let Some(Ok(etag)) = said.borrow_mut().take() {
                    drop(self.made(begun, etag).free());
                }
            }
            Ok(Stage::Held(Held {
                claim: Some(claim),
                status,
                ..
            })) => self.left(facts, claim, status),
            _ => {}
        }
    }
}

impl IdempotencyGate {
    /// The answer did not come whole, or was none to keep. `status` of the instance's answer, when its head came.
    fn left(&self, facts: &Facts, claim: Claim, status: Option<u16>) {
        let tried = !facts.tried.is_empty();
        match left(tried, facts.failure, status, self.rules.replay) {
            Left::Free => drop(claim.free()),
            Left::NotKept(status) => drop(claim.end(Stored::NotKept { status })),
            Left::Unknown => drop(claim.end(Stored::Unknown)),
        }
    }
}
