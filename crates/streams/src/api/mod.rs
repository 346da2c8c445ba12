//! What services are answered under `/v1/streams` and `/v1/subscriptions`.
//!
//! `ask` reads a request (pure), `say` writes answers (pure), `follow` is server-sent events.

mod ask;
mod follow;
mod say;

use crate::event::batch;
use crate::place::{Fault, Place, now_ms};
use crate::subscription::Subscription;
use ask::{Ask, What};
pub use follow::{follow, is_followed};
use http::StatusCode;
use http::request::Parts;
pub use say::Answer;
use serde_json::json;
use std::time::Duration;
use store::{Expect, NewEvent};

/// Largest body of a request, bytes.
pub const MAX_BODY: u64 = 4 << 20;
/// Most events in one answer, and how many when nothing is said.
const LIMIT: usize = 1000;
/// Longest wait for news.
const WAIT: Duration = Duration::from_secs(30);
/// Where one knows how far a projection has to be to have seen an append.
pub const POSITION: &str = "plimsoll-position";
const VERSION: &str = "plimsoll-version";

/// Whether it is answered here.
pub fn is_ours(path: &str) -> bool {
    let within = |root: &str| {
        let rest = path.strip_prefix(root);
        rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
    };
    within("/v1/streams") || within("/v1/subscriptions")
}

/// The answer to a request whose body has been read.
pub async fn answer(place: &Place, head: &Parts, body: Vec<u8>) -> Answer {
    let said = match Ask::of(head, &body) {
        Ok(ask) => told(place, ask).await,
        Err(bad) => return bad.into(),
    };
    said.unwrap_or_else(|fault| say::failed(&fault))
}

async fn told(place: &Place, ask: Ask) -> Result<Answer, Fault> {
    let Ask { name, what } = ask;
    match what {
        What::Append(expect, events) => append(place, &name, expect, events).await,
        What::Read { from, back, limit } => read(place, name, from, back, limit).await,
        What::All {
            prefix,
            after,
            limit,
            wait,
        } => {
            let next = place.all_after(prefix, after, limit, wait).await?;
            Ok(say::events(batch(&next.records), next.position))
        }
        What::Names { after, limit } => {
            let all = place.read(move |s| Ok(s.streams(&after, limit)?)).await?;
            let shown = all
                .iter()
                .map(|(n, v)| json!({ "stream": n, "version": v }));
            Ok(say::json(StatusCode::OK, &shown.collect()))
        }
        What::Subscribe(want) => {
            let new = place.subscribe(&name, want).await?;
            let status = if new {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            shown(place, &name, status).await
        }
        What::Unsubscribe => {
            place.unsubscribe(&name).await?;
            Ok(say::plain(StatusCode::NO_CONTENT))
        }
        What::Subscription => shown(place, &name, StatusCode::OK).await,
        What::Subscriptions => {
            let last = place.last();
            let all = place.subscriptions().await?;
            let all = all.iter().map(|(name, s)| say::subscription(name, s, last));
            Ok(say::json(StatusCode::OK, &all.collect()))
        }
        What::Next { limit, wait } => {
            let next = place.next(&name, limit, wait).await?;
            Ok(say::events(batch(&next.records), next.position))
        }
        What::Acknowledge { position, back } => {
            let now = place.acknowledge(&name, position, back).await?;
            Ok(say::json(StatusCode::OK, &json!({ "position": now })))
        }
    }
}

async fn append(
    place: &Place,
    name: &str,
    expect: Expect,
    events: Vec<NewEvent>,
) -> Result<Answer, Fault> {
    let done = place.append(name, expect, events).await?;
    let status = if done.added > 0 {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let text = json!({
        "stream": name, "version": done.version, "position": done.position, "added": done.added,
    });
    let answer = say::json(status, &text);
    Ok(say::with(
        say::with(answer, POSITION, done.position),
        VERSION,
        done.version,
    ))
}

async fn read(
    place: &Place,
    name: String,
    from: Option<u64>,
    back: bool,
    limit: usize,
) -> Result<Answer, Fault> {
    let (records, version) = place
        .read(move |s| {
            let version = s.version(&name)?;
            if version == 0 {
                let shown = name.escape_debug();
                return Err(Fault::Unknown(format!("there is no stream `{shown}`")));
            }
            let records = match back {
                true => s.read_back(&name, from.unwrap_or(u64::MAX), limit)?,
                false => s.read(&name, from.unwrap_or(1), limit)?,
            };
            // Who names a version must not take a later one for it.
            let first = records.first().map(|r| r.version);
            match (from, first) {
                (Some(from), Some(first)) if !back && first > from.max(1) => {
                    Err(Fault::Gone { first })
                }
                _ => Ok((records, version)),
            }
        })
        .await?;
    let position = records.iter().map(|r| r.position).max().unwrap_or(0);
    Ok(say::with(
        say::events(batch(&records), position),
        VERSION,
        version,
    ))
}

async fn shown(place: &Place, name: &str, status: StatusCode) -> Result<Answer, Fault> {
    let sub: Subscription = place.subscription(name).await?;
    Ok(say::json(
        status,
        &say::subscription(name, &sub, place.last()),
    ))
}
