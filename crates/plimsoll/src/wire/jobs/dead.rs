//! Dead jobs: redriven, all that match and so many per second; edited; discarded.

use super::{Jobs, failed, known, left_ms, unknown};
use base::Finding;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use config::Config;
use config::sections::{OnDead, of_lane};
use console::Dead;
use gateway::jobs::carry;
use serde_json::{Value, json};
use store::{Ack, Bounds, Carried, Job, JobId, NewJob, Queue, State};

/// Most that one wish takes.
const MOST: usize = 10_000;
/// Slowest that they may be redriven, per second.
const SLOWEST: f64 = 0.001;
/// Largest body that is shown and edited, bytes; the API takes no larger one.
const LARGEST: usize = 1 << 20;

/// Whether a dead job is meant.
fn is_meant(which: &Dead, job: &Job) -> bool {
    let has = |text: &Option<String>, within: &str| {
        (text.as_ref()).is_none_or(|text| within.contains(text.as_str()))
    };
    has(&which.reason, &job.reason) && has(&which.request, &job.title)
}

/// When the one with this number (from 0) is due.
fn due_ms(now_ms: u64, n: usize, rate: Option<f64>) -> u64 {
    now_ms + rate.map_or(0, |rate| (n as f64 * 1e3 / rate) as u64)
}

impl Jobs {
    /// Does something to each dead job of a lane that is meant, the oldest first: to how many.
    fn each_dead(
        &self,
        store: &dyn Queue,
        lane: &str,
        which: &Dead,
        mut act: impl FnMut(&Job, usize) -> Ack<bool>,
    ) -> Result<usize, store::Error> {
        let (mut begun, mut done, mut after) = (0, 0, 0);
        while begun < MOST {
            let dead = store.jobs(lane, State::Dead, after, 256)?;
            let Some(last) = dead.last() else { break };
            after = last.id.seq;
            let meant = dead.iter().filter(|j| is_meant(which, j));
            let acks: Vec<Ack<bool>> = (meant.take(MOST - begun))
                .enumerate()
                .map(|(i, job)| act(job, begun + i))
                .collect();
            begun += acks.len();
            for ack in acks {
                done += usize::from(ack.wait()?);
            }
        }
        self.with_gateway(|g| g.jobs().news.notify_one());
        Ok(done)
    }

    /// All dead jobs of a lane, at once.
    pub(in crate::wire) fn redrive_all(
        &self,
        lane: &str,
        store: &dyn Queue,
    ) -> Result<usize, store::Error> {
        self.redrive_some(lane, store, &Dead::default(), None)
    }

    fn redrive_some(
        &self,
        lane: &str,
        store: &dyn Queue,
        which: &Dead,
        rate: Option<f64>,
    ) -> Result<usize, store::Error> {
        let (now, left_ms) = (self.now_ms(), left_ms(&self.current.load(), lane));
        self.each_dead(store, lane, which, |job, n| {
            let due = due_ms(now, n, rate);
            store.redrive(job.id, due, due + left_ms)
        })
    }

    pub(super) fn redrive(
        &self,
        store: &dyn Queue,
        which: &Dead,
        rate: Option<f64>,
    ) -> Result<usize, Vec<Finding>> {
        if let Some(rate) = rate.filter(|r| !(r.is_finite() && *r >= SLOWEST)) {
            let what = format!("a rate of {rate} per second");
            return Err(vec![
                Finding::error("jobs-rate", what).help(format!("give {SLOWEST} or more")),
            ]);
        }
        match (&which.job, &which.route) {
            (Some(job), _) => {
                let (id, now) = (known(job)?, self.now_ms());
                let lane = store.job(id).map_err(failed)?.map(|j| j.lane);
                let left_ms = left_ms(&self.current.load(), &lane.unwrap_or_default());
                let driven = store
                    .redrive(id, now, now + left_ms)
                    .wait()
                    .map_err(failed)?;
                self.with_gateway(|g| g.jobs().news.notify_one());
                one(driven, job)
            }
            (None, Some(route)) => (self.redrive_some(route, store, which, rate)).map_err(failed),
            (None, None) => Err(neither()),
        }
    }

    pub(super) fn discard(&self, store: &dyn Queue, which: &Dead) -> Result<usize, Vec<Finding>> {
        let now = self.now_ms();
        match (&which.job, &which.route) {
            (Some(job), _) => {
                let gone = store.discard(known(job)?, "discarded", now).wait();
                one(gone.map_err(failed)?, job)
            }
            (None, Some(route)) => {
                let act = |job: &Job, _| store.discard(job.id, "discarded", now);
                self.each_dead(store, route, which, act).map_err(failed)
            }
            (None, None) => Err(neither()),
        }
    }

    /// A dead job goes on as a new one, with another body. Whoever is killed in between leaves both.
    pub(super) fn edit(
        &self,
        store: &dyn Queue,
        job: &str,
        body: Vec<u8>,
    ) -> Result<JobId, Vec<Finding>> {
        let (id, now) = (known(job)?, self.now_ms());
        let dead = store.job(id).map_err(failed)?;
        let dead = dead.filter(|j| j.state == State::Dead && of_lane(&j.lane).is_none());
        let carried = store.carried(id).map_err(failed)?;
        let (Some(dead), Some(carried)) = (dead, carried) else {
            return Err(unknown(format!("there is no dead job {job} of a route")));
        };
        let edited = edited(&self.current.load(), dead, &carried.head, body, now)?;
        let accepted = store.enqueue(vec![edited], Bounds::NONE).wait();
        let new = accepted.map_err(failed)?[0];
        let reason = format!("edited: it goes on as {new}");
        match store.discard(id, &reason, now).wait() {
            Ok(true) => {}
            Ok(false) => {
                // Somebody else was quicker: one of the two is too much.
                let _ = store.cancel(new, now).wait();
                return Err(unknown(format!("the job {job} is not dead any more")));
            }
            Err(e) => {
                let what =
                    format!("it goes on as {new}, and may be dead as {job} all the same: {e}");
                return Err(vec![Finding::error("jobs-store", what)]);
            }
        }
        self.with_gateway(|g| g.jobs().news.notify_one());
        Ok(new)
    }

    pub(super) fn carried(&self, store: &dyn Queue, id: &str) -> Result<Value, Vec<Finding>> {
        let Some(Carried { head, payload }) = store.carried(known(id)?).map_err(failed)? else {
            let what = format!("there is no job {id} that has not ended or is dead");
            return Err(unknown(what));
        };
        let body = payload.read().map_err(failed)?;
        if body.len() > LARGEST {
            let what = format!(
                "its body has {} bytes; at most {LARGEST} are shown",
                body.len()
            );
            return Err(vec![Finding::error("jobs-large", what)]);
        }
        Ok(json!({
            "job": id, "request": carry::request_line(&head), "content_type": carry::content_type(&head),
            "bytes": body.len(), "body": BASE64.encode(&body),
        }))
    }
}

fn edited(
    config: &Config,
    dead: Job,
    head: &[u8],
    body: Vec<u8>,
    now_ms: u64,
) -> Result<NewJob, Vec<Finding>> {
    let wrong = |what: &str| vec![Finding::error("jobs-edit", what)];
    let rules = config.routes.iter().find(|r| r.name == dead.lane);
    let rules = rules.and_then(|r| r.asynchronous.as_ref());
    Ok(NewJob {
        secret: gateway::jobs::secret()
            .ok_or_else(|| wrong("the system gives no random numbers"))?,
        blocks: rules.is_some_and(|r| r.on_dead == OnDead::Block),
        enqueued_ms: now_ms,
        due_ms: now_ms,
        expires_ms: now_ms + left_ms(config, &dead.lane),
        head: carry::without_key(head),
        payload: body,
        lane: dead.lane,
        tenant: dead.tenant,
        weight: 1,
        key: dead.key,
        title: dead.title,
    })
}

fn one(done: bool, job: &str) -> Result<usize, Vec<Finding>> {
    match done {
        true => Ok(1),
        false => Err(unknown(format!("there is no dead job {job}"))),
    }
}

fn neither() -> Vec<Finding> {
    let what = "name a dead job, or a route whose dead jobs are meant";
    vec![Finding::error("jobs-which", what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(title: &str, reason: &str) -> Job {
        Job {
            id: JobId { seq: 1, secret: 2 },
            lane: "orders".into(),
            tenant: "t".into(),
            key: Some("k".into()),
            state: State::Dead,
            attempts: 3,
            enqueued_ms: 1,
            due_ms: 1,
            expires_ms: 9,
            ended_ms: Some(5),
            title: title.into(),
            reason: reason.into(),
            bytes: 4,
        }
    }

    #[test]
    fn those_are_meant_that_have_all_texts() {
        let job = dead("POST /orders", "status 422");
        let which = |reason: Option<&str>, request: Option<&str>| Dead {
            reason: reason.map(str::to_owned),
            request: request.map(str::to_owned),
            ..Dead::default()
        };
        for (which, meant) in [
            (which(None, None), true),
            (which(Some("422"), None), true),
            (which(Some("422"), Some("/refunds")), false),
            (which(Some("500"), Some("/orders")), false),
        ] {
            assert_eq!(is_meant(&which, &job), meant, "{which:?}");
        }
    }

    #[test]
    fn a_rate_puts_them_apart() {
        assert_eq!([0, 1, 10].map(|n| due_ms(1000, n, None)), [1000; 3]);
        let apart = [0, 1, 10].map(|n| due_ms(1000, n, Some(4.0)));
        assert_eq!(apart, [1000, 1250, 3500]);
    }

    #[test]
    fn an_edited_job_is_a_new_one_with_a_key_of_its_own() {
        let head = b"PPOST /orders?a=1 HTTP/1.1\r\nHost: shop\r\nidempotency-key: \"x\"\r\n";
        let old = dead("POST /orders", "status 422");
        let new = edited(&Config::empty(), old, head, b"good".to_vec(), 100).unwrap();
        assert_eq!((&*new.payload, &*new.title), (&b"good"[..], "POST /orders"));
        assert_eq!(new.head, b"PPOST /orders?a=1 HTTP/1.1\r\nHost: shop\r\n");
        assert_eq!((new.key.as_deref(), new.due_ms), (Some("k"), 100));
        assert_eq!(new.expires_ms, 100 + 24 * 3600 * 1000);
    }
}
