//! Since when a webhook fails, and that it was disabled: on disk, so that a restart forgives nothing.

use super::Subscriber;
use super::outcome::disables;
use crate::jobs::Jobs;
use crate::jobs::outcome::Answered;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Broker, Error, Precondition, Put};

/// What keys in the queue's file begin with: since when a lane fails, and why it was disabled.
const FAILING: &str = "topics/failing/";
/// What keys of paused lanes begin with, those of routes too.
pub const PAUSED: &str = "jobs/paused/";
pub const DISABLED: &str = "topics/disabled/";

/// Learns from an answer. `Ok(true)`: the endpoint is disabled, and that is on disk.
///
/// # Errors
/// When the store cannot be read or written: nothing has changed.
pub async fn learn(
    jobs: &Jobs,
    store: &Arc<dyn Broker>,
    subscriber: &Subscriber,
    answered: &Answered,
    now_ms: u64,
) -> Result<bool, Error> {
    let lane = &subscriber.lane;
    let since = match jobs.failing(lane) {
        Some(known) => known,
        None => read(store.clone(), format!("{FAILING}{lane}"), now_ms).await?,
    };
    let key = format!("{FAILING}{lane}");
    if (200..300).contains(&answered.status) {
        if since.is_some() {
            store.delete(&key, Precondition::Any, now_ms).await?;
        }
        jobs.set_failing(lane, None);
        return Ok(false);
    }
    if since.is_none() {
        let text = now_ms.to_string().into_bytes();
        store.put(Put::new(key, text), now_ms).await?;
    }
    let began = since.unwrap_or(now_ms);
    jobs.set_failing(lane, Some(began));
    let Some(why) = disables(answered, began, now_ms) else {
        return Ok(false);
    };
    let said = json!({ "why": why, "at_ms": now_ms }).to_string();
    let key = format!("{DISABLED}{lane}");
    store.put(Put::new(key, said.into_bytes()), now_ms).await?;
    tracing::error!(lane = %lane, "the webhook is disabled: {why}; `plimsoll topics resume` goes on");
    jobs.disable(lane, Some(why));
    Ok(true)
}

async fn read(store: Arc<dyn Broker>, key: String, now_ms: u64) -> Result<Option<u64>, Error> {
    let got = tokio::task::spawn_blocking(move || store.get(&key, now_ms)).await;
    let got = got.unwrap_or_else(|e| Err(Error::Stopped(e.to_string())))?;
    Ok(got.and_then(|entry| number(&entry.value)))
}

/// Takes back that a lane was disabled, and that it failed. Blocks.
///
/// # Errors
/// When it cannot be written.
pub fn forgive(jobs: &Jobs, store: &dyn Broker, lane: &Arc<str>, now_ms: u64) -> Result<(), Error> {
    for kind in [DISABLED, FAILING] {
        let gone = store.delete(&format!("{kind}{lane}"), Precondition::Any, now_ms);
        gone.wait()?;
    }
    jobs.set_failing(lane, None);
    jobs.disable(lane, None);
    Ok(())
}

/// Why lanes are disabled, as they were left by the process before. Blocks.
///
/// # Errors
/// When the store cannot be read.
pub fn recall(jobs: &Jobs, store: &dyn Broker, now_ms: u64) -> Result<(), Error> {
    for (lane, said) in kept(store, DISABLED, now_ms)? {
        jobs.disable(&Arc::from(lane), Some(why(&said)));
    }
    Ok(())
}

/// What other nodes did to these lanes: paused, resumed, disabled, and since when they fail. Blocks.
///
/// # Errors
/// When the store cannot be read: what was known holds.
pub fn learn_all(
    jobs: &Jobs,
    store: &dyn Broker,
    lanes: &[Arc<str>],
    now_ms: u64,
) -> Result<(), Error> {
    let all = |kind| kept(store, kind, now_ms);
    let (failing, disabled, paused) = (all(FAILING)?, all(DISABLED)?, all(PAUSED)?);
    for lane in lanes {
        let since = failing.get(&**lane).and_then(|said| number(said));
        jobs.set_failing(lane, since);
        let why = disabled.get(&**lane).map(|said| why(said));
        jobs.hold(lane, paused.contains_key(&**lane), why);
    }
    Ok(())
}

/// What keys of a kind hold, by lane.
fn kept(store: &dyn Broker, kind: &str, now_ms: u64) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let found = store.scan(kind, None, store::MAX_ROWS, now_ms)?;
    let of = |e: store::Entry| (e.key[kind.len()..].to_owned(), e.value);
    Ok(found.into_iter().map(of).collect())
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Why a lane was disabled, as it was kept.
fn why(said: &[u8]) -> String {
    let said: serde_json::Value = serde_json::from_slice(said).unwrap_or_default();
    said["why"].as_str().unwrap_or("it was disabled").to_owned()
}
