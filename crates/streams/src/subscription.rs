//! Subscriptions: a name, which events, and how far they were acknowledged. At least once: what was not acknowledged comes again.

use crate::place::{Fault, Place, Store, after, now_ms};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Error, Etag, Kv, Names, Precondition, Put, Record};
use tokio::time::Instant;

/// What keys of subscriptions begin with.
const PREFIX: &str = "sub/";
/// Most of them.
const MOST: u64 = 1000;
/// Longest name, bytes.
const NAME: usize = 200;
/// Positions that are looked through at once.
pub(crate) const WINDOW: u64 = 10_000;
/// How long events of others are skipped in one answer.
const SKIP: Duration = Duration::from_secs(1);
/// A checkpoint goes over events of others by itself when there are so many.
const AHEAD: u64 = 1000;
/// How often a write is tried against others.
const TRIES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Of one stream; `None`: of those that begin with `prefix`, else of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Events up to here were acknowledged.
    #[serde(default)]
    pub position: u64,
    #[serde(default)]
    pub acked_ms: u64,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub records: Vec<Record>,
    /// What is acknowledged when they are done.
    pub position: u64,
}

pub(crate) fn names<'a>(stream: Option<&'a str>, prefix: Option<&'a str>) -> Names<'a> {
    match (stream, prefix) {
        (Some(name), _) => Names::Is(name),
        (None, Some(prefix)) => Names::Begin(prefix),
        (None, None) => Names::All,
    }
}

impl Subscription {
    fn names(&self) -> Names<'_> {
        names(self.stream.as_deref(), self.prefix.as_deref())
    }

    fn is_same(&self, other: &Subscription) -> bool {
        (&self.stream, &self.prefix) == (&other.stream, &other.prefix)
    }
}

fn key(name: &str) -> Result<String, Fault> {
    match name.is_empty() || name.len() > NAME {
        true => Err(Fault::Wrong(format!("a name has 1 to {NAME} bytes"))),
        false => Ok(format!("{PREFIX}{name}")),
    }
}

fn unknown(name: &str) -> Fault {
    Fault::Unknown(format!(
        "there is no subscription `{}`",
        name.escape_debug()
    ))
}

fn get(store: &dyn Store, name: &str) -> Result<(Subscription, Etag), Fault> {
    let entry = Kv::get(store, &key(name)?, now_ms())?;
    let entry = entry.ok_or_else(|| unknown(name))?;
    let read = serde_json::from_slice(&entry.value);
    let read =
        read.map_err(|e| Error::Invalid(format!("subscription `{name}` is damaged: {e}")))?;
    Ok((read, entry.etag))
}

/// Unless some of what lies after `position` was let go, before or meanwhile.
pub(crate) fn whole<T>(store: &dyn Store, position: u64, read: T) -> Result<T, Fault> {
    let gone = store.ends()?.gone;
    match position < gone {
        true => Err(Fault::Gone { first: gone + 1 }),
        false => Ok(read),
    }
}

impl Place {
    pub async fn subscription(&self, name: &str) -> Result<Subscription, Fault> {
        let name = name.to_owned();
        self.read(move |s| get(s, &name).map(|found| found.0)).await
    }

    async fn put(
        &self,
        name: &str,
        sub: &Subscription,
        precondition: Precondition,
    ) -> Result<(), Fault> {
        let value = serde_json::to_vec(sub).unwrap_or_default();
        let put = Put {
            precondition,
            ..Put::new(key(name)?, value)
        };
        let ack = Kv::put(&*self.store()?, put, now_ms());
        Ok(ack.await.map(drop)?)
    }

    /// Makes it; whether it is new. One that is there and the same stays as it is, with how far it is.
    pub async fn subscribe(&self, name: &str, mut want: Subscription) -> Result<bool, Fault> {
        if want.stream.is_some() && want.prefix.is_some() {
            return Err(Fault::Wrong("name a stream or a prefix".into()));
        }
        let ends = self.ends_at(want.position).await?;
        if want.position == 0 {
            want.position = ends.gone;
        }
        let last = ends.last;
        if want.position > last {
            let what = format!(
                "there is nothing after position {last} yet; leave `position` out to begin with the first event"
            );
            return Err(Fault::Wrong(what));
        }
        let count = self.read(|s| Ok(Kv::count(s, PREFIX, now_ms())?)).await?;
        match self.subscription(name).await {
            Ok(there) if there.is_same(&want) => return Ok(false),
            Ok(_) => {
                let what = format!("subscription `{name}` is of other streams; delete it first");
                return Err(Fault::Other(what));
            }
            Err(Fault::Unknown(_)) => {}
            Err(e) => return Err(e),
        }
        if count >= MOST {
            return Err(Fault::Store(Error::Full {
                what: "the store".into(),
                holds: format!("{count} subscriptions"),
                limit: MOST.to_string(),
            }));
        }
        self.put(name, &want, Precondition::Absent).await?;
        Ok(true)
    }

    pub async fn unsubscribe(&self, name: &str) -> Result<(), Fault> {
        let ack = Kv::delete(&*self.store()?, &key(name)?, Precondition::Any, now_ms());
        match ack.await? {
            true => Ok(()),
            false => Err(unknown(name)),
        }
    }

    pub async fn subscriptions(&self) -> Result<Vec<(String, Subscription)>, Fault> {
        self.read(|s| {
            let all = s.scan(PREFIX, None, MOST as usize, now_ms())?;
            let read = all.into_iter().filter_map(|e| {
                let sub = serde_json::from_slice(&e.value).ok()?;
                Some((e.key.strip_prefix(PREFIX)?.to_owned(), sub))
            });
            Ok(read.collect())
        })
        .await
    }

    /// Says that events up to `position` are done; how far it is now. It never goes back, unless `back` says so.
    pub async fn acknowledge(&self, name: &str, position: u64, back: bool) -> Result<u64, Fault> {
        let last = self.ends_at(position).await?.last;
        if position > last {
            return Err(Fault::Wrong(format!(
                "position {position} is not there yet; the last is {last}"
            )));
        }
        for _ in 0..TRIES {
            let find = name.to_owned();
            let (sub, etag) = self.read(move |s| get(s, &find)).await?;
            if sub.position == position || (sub.position > position && !back) {
                return Ok(sub.position);
            }
            let next = Subscription {
                position,
                acked_ms: now_ms(),
                ..sub
            };
            match self.put(name, &next, Precondition::Is(etag)).await {
                Err(Fault::Store(e)) if e.is_conflict() => {}
                done => return done.map(|()| position),
            }
        }
        Err(Fault::Store(Error::Busy))
    }

    /// What comes after its checkpoint; empty when nothing did within `wait`.
    pub async fn next(&self, name: &str, limit: usize, wait: Duration) -> Result<Batch, Fault> {
        let sub = self.subscription(name).await?;
        let began = sub.position;
        // Its checkpoint is kept elsewhere than the events: they may have begun anew without it.
        if began > self.last() && began > self.ends_at(began).await?.last {
            let last = self.last();
            return Err(Fault::Other(format!(
                "subscription `{name}` was acknowledged up to {began}, and the last event here is at {last}: this node has not all events yet; \
                 when they began anew, acknowledge what is there with `\"back\":true`"
            )));
        }
        let batch = self
            .after(began, limit, wait, move |s, from, to, limit| {
                Ok(s.read_some(sub.names(), from, to, limit)?)
            })
            .await?;
        if batch.records.is_empty() && batch.position >= began + AHEAD {
            // Nobody has to look through them again. A failure costs only that.
            let _ = self.acknowledge(name, batch.position, false).await;
        }
        Ok(batch)
    }

    /// Events of some streams after `position`; waits for them.
    async fn after(
        &self,
        position: u64,
        limit: usize,
        wait: Duration,
        read: impl Fn(&dyn Store, u64, u64, usize) -> Result<Vec<Record>, Fault>
        + Clone
        + Send
        + 'static,
    ) -> Result<Batch, Fault> {
        let (until, mut at) = (after(wait), position);
        let skip_until = until.max(after(SKIP));
        loop {
            let last = self.ends().await?.last;
            if at < last {
                let to = last.min(at + WINDOW);
                let read = read.clone();
                let records = self
                    .read(move |s| whole(s, at, read(s, at, to, limit)?))
                    .await?;
                if let Some(last) = records.last() {
                    let position = last.position;
                    return Ok(Batch { records, position });
                }
                at = to;
                if Instant::now() < skip_until {
                    continue;
                }
            } else if self.wait_past(at, until).await {
                continue;
            }
            return Ok(Batch {
                records: Vec::new(),
                position: at,
            });
        }
    }

    /// Events of all streams, or of those that begin with `prefix`, after `position`; waits for them.
    pub async fn all_after(
        &self,
        prefix: Option<String>,
        position: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Batch, Fault> {
        self.after(position, limit, wait, move |s, from, to, limit| {
            Ok(s.read_some(names(None, prefix.as_deref()), from, to, limit)?)
        })
        .await
    }
}
