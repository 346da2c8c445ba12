//! The job resource: `GET` tells how far a job is, `GET …/result` its answer, `DELETE` cancels it. Whoever knows the id may ask.

use super::Jobs;
use super::carry::Kept;
use super::eta::{Basis, Eta, Speed, retry_after};
use crate::exchange::{Exchange, Reply};
use crate::gate::{Gate, Slot, Step};
use base::Nanos;
use bytes::Bytes;
use http1::Method;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use store::{Cancel, Error, Job, JobId, Queue, State};

/// Where jobs are.
pub const PREFIX: &str = "/.plimsoll/jobs/";
const RESULT: &str = "/result";
/// Jobs before one that are counted one by one.
const COUNTED: u64 = 10_000;

/// The only gate of the route of the job resource.
pub fn gate(jobs: Arc<Jobs>) -> Arc<dyn Gate> {
    Arc::new(Resource { jobs })
}

struct Resource {
    jobs: Arc<Jobs>,
}

type Said = Rc<RefCell<Option<Reply>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Look,
    Result,
    Cancel,
}

/// What is asked of which job.
fn ask(method: Method, path: &[u8]) -> Result<(Ask, JobId), Reply> {
    let unknown = || {
        Reply::problem(
            404,
            "no-job",
            "there is no such job, or it has been forgotten",
        )
    };
    let path = std::str::from_utf8(path).map_err(|_| unknown())?;
    let rest = path.strip_prefix(PREFIX).ok_or_else(unknown)?;
    let (id, of_result) = match rest.strip_suffix(RESULT) {
        Some(id) => (id, true),
        None => (rest, false),
    };
    let id: JobId = id.parse().map_err(|_| unknown())?;
    match (method, of_result) {
        (Method::Get | Method::Head, true) => Ok((Ask::Result, id)),
        (Method::Get | Method::Head, false) => Ok((Ask::Look, id)),
        (Method::Delete, false) => Ok((Ask::Cancel, id)),
        _ => {
            let allowed = if of_result {
                "GET, HEAD"
            } else {
                "GET, HEAD, DELETE"
            };
            let reply = Reply::problem(405, "job-method", "a job can be read and cancelled");
            Err(reply.with("Allow", allowed))
        }
    }
}

impl Gate for Resource {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let (ask, id) = match ask(x.head.method(), x.head.path()) {
            Ok(asked) => asked,
            Err(reply) => return Step::Answer(reply),
        };
        let Some(queue) = self.jobs.queue() else {
            return Step::Answer(away());
        };
        let (said, jobs) = (Said::default(), self.jobs.clone());
        *slot = Slot::boxed(said.clone());
        let now_ms = jobs.now_ms(now);
        Step::Wait(Box::pin(async move {
            let reply = match ask {
                Ask::Cancel => cancelled(queue.cancel(id, now_ms).await),
                _ => look(queue, jobs.clone(), ask, id, now).await,
            };
            if ask == Ask::Cancel {
                jobs.ended(id);
            }
            *said.borrow_mut() = Some(reply);
        }))
    }

    fn resume(&self, _x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let said = slot.get::<Said>().and_then(|s| s.borrow_mut().take());
        Step::Answer(said.unwrap_or_else(away))
    }
}

/// There is no queue now.
pub fn away() -> Reply {
    let reply = Reply::problem(503, "no-queue", "the queue of jobs is not open; try again");
    reply.with("Retry-After", "1")
}

/// The disk is not for a traffic thread.
async fn look(queue: Arc<dyn Queue>, jobs: Arc<Jobs>, ask: Ask, id: JobId, now: Nanos) -> Reply {
    let looked = tokio::task::spawn_blocking(move || read(&*queue, &jobs, ask, id, now)).await;
    looked.unwrap_or_else(|_| away())
}

fn read(queue: &dyn Queue, jobs: &Jobs, ask: Ask, id: JobId, now: Nanos) -> Reply {
    match told(queue, jobs, ask, id, now) {
        Ok(reply) => reply,
        Err(e) => failed(&e),
    }
}

fn failed(e: &Error) -> Reply {
    Reply::problem(503, "no-queue", &e.to_string()).with("Retry-After", "1")
}

/// When a job that waits will be done, as far as anybody knows.
pub fn eta(
    queue: &dyn Queue,
    job: &Job,
    speed: Option<Speed>,
    depth: u64,
    now_ms: u64,
) -> Result<Option<Eta>, Error> {
    let Some(speed) = speed.filter(|_| !job.state.has_ended()) else {
        return Ok(None);
    };
    // The lease of one that is under way is no date.
    let (ahead, due_ms) = match job.state {
        State::Leased => (0, 0),
        _ => (queue.ahead(job, COUNTED)?, job.due_ms),
    };
    let ahead = match ahead {
        COUNTED => depth.max(COUNTED),
        counted => counted,
    };
    Ok(speed.eta(ahead, due_in(due_ms, now_ms)))
}

/// Seconds until then.
pub fn due_in(due_ms: u64, now_ms: u64) -> f64 {
    due_ms.saturating_sub(now_ms) as f64 / 1e3
}

/// As the job resource and the console tell it.
pub fn told_eta(text: &mut serde_json::Value, eta: Option<Eta>) {
    let ms = |s: f64| (s * 1e3).round() / 1e3;
    text["eta_s"] = json!(eta.map(|e| ms(e.likely)));
    text["eta_low_s"] = json!(eta.map(|e| ms(e.low)));
    text["eta_high_s"] = json!(eta.map(|e| ms(e.high)));
    text["eta_basis"] = json!(eta.map_or(Basis::Nothing, |e| e.basis));
}

fn told(queue: &dyn Queue, jobs: &Jobs, ask: Ask, id: JobId, now: Nanos) -> Result<Reply, Error> {
    let now_ms = jobs.now_ms(now);
    let Some(job) = queue.job(id)? else {
        let detail = "there is no such job, or it has been forgotten";
        return Ok(Reply::problem(404, "no-job", detail));
    };
    if ask == Ask::Result {
        return Ok(match (job.state, queue.result(id)?) {
            (State::Done, Some(result)) => stored(&result),
            (state, _) => {
                let detail = format!("the job is {} and has no result", state.name());
                Reply::problem(404, "no-result", &detail)
            }
        });
    }
    let waits = !job.state.has_ended();
    let depth = jobs.depth(&job.lane);
    let eta = eta(queue, &job, jobs.speed(&job.lane, now), depth, now_ms)?;
    // An estimate has it in it.
    let due_in = match eta {
        Some(_) => 0.0,
        None => due_in(job.due_ms, now_ms),
    };
    let mut text = json!({
        "id": id.to_string(), "state": job.state, "request": job.title, "attempts": job.attempts,
        "enqueued_ms": job.enqueued_ms, "ended_ms": job.ended_ms, "reason": job.reason,
        "expires_ms": waits.then_some(job.expires_ms), "next_attempt_ms": waits.then_some(job.due_ms),
    });
    if waits {
        told_eta(&mut text, eta);
    }
    let reply = |status| {
        let reply = Reply::new(status, Bytes::from(format!("{text}\n")));
        (reply.with("Content-Type", "application/json")).with("Cache-Control", "no-store")
    };
    Ok(match job.state {
        State::Done => reply(303).with("Location", format!("{PREFIX}{id}{RESULT}")),
        _ if waits => reply(200).with(
            "Retry-After",
            retry_after(eta, due_in).as_secs().to_string(),
        ),
        _ => reply(200),
    })
}

/// What the instance answered.
pub fn stored(result: &[u8]) -> Reply {
    match Kept::read(result) {
        Some(kept) => Reply::stored(kept.status, kept.lines.into(), kept.body.into()),
        None => Reply::problem(404, "no-result", "the result is damaged"),
    }
}

fn cancelled(said: Result<Cancel, Error>) -> Reply {
    let text = |status, text: &str| {
        let body = Bytes::from(format!("{}\n", json!({ "state": text })));
        Reply::new(status, body).with("Content-Type", "application/json")
    };
    match said {
        Ok(Cancel::Cancelled) => text(200, "cancelled"),
        Ok(Cancel::AfterAttempt) => text(202, "cancelled unless the attempt under way succeeds"),
        Ok(Cancel::Ended(state)) => {
            let detail = format!("the job is {} already", state.name());
            Reply::problem(409, "job-ended", &detail)
        }
        Ok(Cancel::Unknown) => Reply::problem(404, "no-job", "there is no such job"),
        Err(e) => failed(&e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_job_and_what_is_asked_of_it() {
        let id = "1-00000000000000000000000000000007";
        let of = |method, end: &str| {
            ask(method, format!("{PREFIX}{id}{end}").as_bytes())
                .map(|(ask, _)| ask)
                .map_err(|r| r.status)
        };
        assert_eq!(of(Method::Get, ""), Ok(Ask::Look));
        assert_eq!(of(Method::Head, "/result"), Ok(Ask::Result));
        assert_eq!(of(Method::Delete, ""), Ok(Ask::Cancel));
        assert_eq!(of(Method::Delete, "/result"), Err(405));
        assert_eq!(of(Method::Post, ""), Err(405));
        assert_eq!(of(Method::Get, "/other"), Err(404));
        assert_eq!(
            ask(Method::Get, b"/.plimsoll/jobs/\xff")
                .unwrap_err()
                .status,
            404
        );
    }
}
