//! Pull: a batch is leased, and each event of it acknowledged, given back, or held for longer.

use crate::Api;
use crate::ask::Deed;
use crate::say::{self, Answer, failed, problem};
use cloudevents::{Event, json as structured};
use config::sections::{Subscription, Topic};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;
use store::{Broker, Finish, JobId, Leased, Payload};
use tokio::time::{Instant, timeout_at};

/// Bytes of a request.
pub const MOST: usize = 64 << 10;
/// Events of one batch, and about how many bytes of the largest.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 16 << 20;
/// Receipts in one request.
const RECEIPTS: usize = 512;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_LEASE: Duration = Duration::from_secs(12 * 3600);
const LONGEST_DELAY: Duration = Duration::from_secs(12 * 3600);
/// Backoff of what is given back stops doubling here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// How often somebody who waits looks for what has become due by itself.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskLease {
    #[serde(default = "ten")]
    max: usize,
    #[serde(default)]
    wait_s: u64,
    lease_s: Option<u64>,
}

fn ten() -> usize {
    10
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskEnd {
    receipts: Vec<String>,
    delay_s: Option<u64>,
    lease_s: Option<u64>,
    #[serde(default)]
    reason: String,
}

pub async fn act(
    api: &Api,
    topic: &Topic,
    s: &Subscription,
    deed: Deed,
    body: &[u8],
) -> Result<Answer, Answer> {
    match deed {
        Deed::Lease => lease(api, topic, s, parsed(body)?).await,
        deed => end(api, s, deed, parsed(body)?).await,
    }
}

/// An empty body stands for all defaults.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|e| {
        let what = format!("the body is not what is asked for: {e}");
        problem(400, "topic-request", &what)
    })
}

fn seconds(asked: Option<u64>, default: Duration, most: Duration) -> u64 {
    let time = asked.map_or(default, Duration::from_secs).min(most);
    time.as_millis() as u64
}

async fn lease(
    api: &Api,
    topic: &Topic,
    s: &Subscription,
    ask: AskLease,
) -> Result<Answer, Answer> {
    let largest = (BATCH_BYTES / (topic.size as usize).max(1)).max(1);
    let most = ask.max.clamp(1, BATCH).min(largest);
    let lease_ms = seconds(ask.lease_s, s.timeout, LONGEST_LEASE).max(1);
    let until = Instant::now() + Duration::from_secs(ask.wait_s).min(LONGEST_WAIT);
    let _waits = match ask.wait_s {
        0 => None,
        _ => Some(
            api.waiting
                .clone()
                .try_acquire_owned()
                .map_err(|_| problem(503, "topic-waiting", "too many wait for events already"))?,
        ),
    };
    let (lane, mut news) = (s.lane(&topic.name), api.parts.news.subscribe());
    loop {
        news.mark_unchanged();
        // Not held while it waits: another process may be about to take the queue over.
        let store = api.store()?;
        let now_ms = api.now_ms();
        let leased = store.lease(&lane, most, now_ms + lease_ms, now_ms).await;
        let leased = leased.map_err(|e| failed(&e))?;
        let mut events = Vec::with_capacity(leased.len());
        for job in leased {
            events.extend(shown(&*store, s, job, now_ms).await);
        }
        drop(store);
        if !events.is_empty() || Instant::now() >= until {
            let body = format!("{{\"events\":[{}]}}\n", events.join(","));
            return Ok(say::of(StatusCode::OK, "application/json", body));
        }
        let next = until.min(Instant::now() + LOOK);
        // Either there is news, or it is time to look again.
        let _ = timeout_at(next, news.changed()).await;
    }
}

/// As JSON; `None`: it is dead now.
async fn shown(store: &dyn Broker, s: &Subscription, job: Leased, now_ms: u64) -> Option<String> {
    let (id, attempt, position) = (job.id, job.attempt, job.position);
    let read = async {
        if attempt > s.attempts {
            return Err(format!("none of {} leases was acknowledged", attempt - 1));
        }
        let payload = match job.payload {
            Payload::Inline(bytes) => bytes,
            file => tokio::task::spawn_blocking(|| file.read())
                .await
                .map_err(|e| e.to_string())?
                .map_err(|e| e.to_string())?,
        };
        Event::kept(&job.head, payload).ok_or_else(|| "the event is damaged".to_owned())
    };
    match read.await {
        Ok(event) => {
            let event = String::from_utf8(structured::write(&event)).ok()?;
            Some(format!(
                "{{\"receipt\":\"{id}.{attempt}\",\"attempt\":{attempt},\"position\":{position},\"event\":{event}}}"
            ))
        }
        Err(reason) => {
            let how = Finish::Dead {
                reason,
                result: Vec::new(),
            };
            // When that cannot be written it is leased again, and ends then.
            let _ = store.finish(id, attempt, how, now_ms).await;
            None
        }
    }
}

fn receipt(text: &str) -> Option<(JobId, u32)> {
    let (id, attempt) = text.rsplit_once('.')?;
    Some((id.parse().ok()?, attempt.parse().ok()?))
}

async fn end(api: &Api, s: &Subscription, deed: Deed, ask: AskEnd) -> Result<Answer, Answer> {
    if ask.receipts.is_empty() || ask.receipts.len() > RECEIPTS {
        let what = format!("give from 1 to {RECEIPTS} `receipts`");
        return Err(problem(400, "topic-request", &what));
    }
    let mut receipts = Vec::with_capacity(ask.receipts.len());
    for text in &ask.receipts {
        let Some(known) = receipt(text) else {
            let what = format!(
                "`{}` is no receipt",
                text.chars().take(80).collect::<String>()
            );
            return Err(problem(400, "topic-request", &what));
        };
        receipts.push(known);
    }
    let (store, now_ms) = (api.store()?, api.now_ms());
    let mut acks = Vec::with_capacity(receipts.len());
    for (id, attempt) in receipts {
        acks.push(match deed {
            Deed::Extend => {
                let lease_ms = seconds(ask.lease_s, s.timeout, LONGEST_LEASE).max(1);
                store.extend(id, attempt, now_ms + lease_ms)
            }
            Deed::Nack => store.finish(id, attempt, given_back(s, attempt, &ask, now_ms), now_ms),
            _ => {
                let result = Vec::new();
                store.finish(id, attempt, Finish::Done { result }, now_ms)
            }
        });
    }
    let (mut done, mut lost) = (0, Vec::new());
    for (ack, text) in acks.into_iter().zip(&ask.receipts) {
        match ack.await.map_err(|e| failed(&e))? {
            true => done += 1,
            // Its lease is over, or it has ended.
            false => lost.push(text),
        }
    }
    if deed == Deed::Nack {
        api.parts.news.send_modify(|n| *n += 1);
    }
    Ok(say::json(
        StatusCode::OK,
        &json!({ "done": done, "lost": lost }),
    ))
}

fn given_back(s: &Subscription, attempt: u32, ask: &AskEnd, now_ms: u64) -> Finish {
    let reason: String = match ask.reason.is_empty() {
        true => "given back".into(),
        false => ask.reason.chars().take(200).collect(),
    };
    if attempt >= s.attempts {
        let reason = format!("{reason} at the last of {attempt} attempts");
        let result = Vec::new();
        return Finish::Dead { reason, result };
    }
    let doubled = s
        .backoff
        .saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let wait = doubled.min(LONGEST_BACKOFF.max(s.backoff));
    Finish::Retry {
        at_ms: now_ms + seconds(ask.delay_s, wait, LONGEST_DELAY),
        reason,
    }
}
