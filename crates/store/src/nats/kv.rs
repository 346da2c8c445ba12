//! Values: a message each, whose number is its etag. What must hold is checked by JetStream (the last message of the subject is
//! the one that was read), so two that change the same key cannot both win.
//!
//! Expiry is judged by the caller's clock, from a header. The server lets a message go [`GRACE`] later by itself, and what says that a
//! key is deleted after [`GONE`]; `sweep` is only quicker.

use super::Nats;
use super::conn::Conn;
use super::fault::Fault;
use super::message::{Draft, EXPIRES, Found};
use super::{bucket::Bucket, subject};
use crate::{Ack, Entry, Error, Etag, Kv, MAX_ROWS, Precondition, Put};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long the server keeps what has expired: nobody's clock says what is still there.
const GRACE: Duration = Duration::from_secs(60);
/// And what says that a key is deleted: longer than what the server has in memory of its own deletions, so that a crash does not bring
/// back what was before.
const GONE: Duration = Duration::from_secs(600);
/// Longest lifetime that the server is told.
const LONGEST_MS: u64 = 10 * 365 * 24 * 3600 * 1000;
/// How often a change begins again that others overtake.
const TRIES: usize = 8;
/// What a read of many keys waits behind: nothing.
const MANY: &str = "";

impl Found {
    pub(super) fn lives(&self, now_ms: u64) -> bool {
        !self.is_gone && self.expires_ms.is_none_or(|at| at > now_ms)
    }

    pub(super) fn entry(self, key: String) -> Entry {
        Entry {
            key,
            value: self.value,
            etag: Etag(self.seq),
            expires_ms: self.expires_ms,
        }
    }
}

/// What is there now, as far as it counts; an error when that is not what must be.
pub(super) fn judge(
    key: &str,
    found: Option<&Found>,
    precondition: Precondition,
    now_ms: u64,
) -> Result<Option<Etag>, Error> {
    let live = found.filter(|f| f.lives(now_ms)).map(|f| Etag(f.seq));
    let holds = match precondition {
        Precondition::Any => true,
        Precondition::Absent => live.is_none(),
        Precondition::Is(etag) => live == Some(etag),
    };
    match holds {
        true => Ok(live),
        false => Err(overtaken(key, live)),
    }
}

pub(super) fn overtaken(key: &str, actual: Option<Etag>) -> Error {
    Error::Stale {
        key: key.to_owned(),
        actual,
    }
}

/// The message of a value.
pub(super) fn draft(put: &Put, now_ms: u64, expected: Option<u64>) -> Draft {
    let lives = |until: u64| until.saturating_sub(now_ms);
    let lives = put.expires_ms.map(lives).filter(|l| *l < LONGEST_MS);
    let expires = put.expires_ms.map(|at| (EXPIRES, at.to_string()));
    Draft {
        headers: expires.into_iter().collect(),
        value: put.value.clone(),
        lifetime: lives.map(|l| Duration::from_millis(l) + GRACE),
        expected,
    }
}

async fn put(conn: Conn, bucket: Bucket, put: Put, now_ms: u64) -> Result<Etag, Fault> {
    let (stream, at) = (bucket.stream(), bucket.subject(&put.key));
    let draft = |expected: Option<u64>| draft(&put, now_ms, expected);
    // Mostly nothing is there where nothing shall be: it need not be looked at first.
    let mut expected = match put.precondition {
        Precondition::Any => {
            let seq = conn.publish(at, draft(None)).await?;
            return Ok(Etag(seq.ok_or_else(|| overtaken(&put.key, None))?));
        }
        Precondition::Absent => Some(0),
        Precondition::Is(_) => None,
    };
    for _ in 0..TRIES {
        let seq = match expected.take() {
            Some(seq) => seq,
            None => {
                let found = conn.last(&stream, &at).await?;
                judge(&put.key, found.as_ref(), put.precondition, now_ms)?;
                found.map_or(0, |f| f.seq)
            }
        };
        if let Some(seq) = conn.publish(at.clone(), draft(Some(seq))).await? {
            return Ok(Etag(seq));
        }
    }
    Err(overtaken(&put.key, None).into())
}

async fn delete(
    conn: Conn,
    bucket: Bucket,
    key: String,
    precondition: Precondition,
    now_ms: u64,
) -> Result<bool, Fault> {
    let (stream, at) = (bucket.stream(), bucket.subject(&key));
    for _ in 0..TRIES {
        let found = conn.last(&stream, &at).await?;
        let Some(Etag(seq)) = judge(&key, found.as_ref(), precondition, now_ms)? else {
            return Ok(false);
        };
        let gone = Draft {
            expected: Some(seq),
            ..Draft::gone(GONE)
        };
        if conn.publish(at.clone(), gone).await?.is_some() {
            return Ok(true);
        }
    }
    Err(overtaken(&key, None).into())
}

/// The first entries of a prefix by their keys; all of the prefix are read for it.
async fn scan(
    conn: Conn,
    bucket: Bucket,
    prefix: String,
    after: Option<String>,
    limit: usize,
    now_ms: u64,
) -> Result<Vec<Entry>, Fault> {
    let filter = subject::filter(&bucket.name, &prefix);
    let (mut first, mut from) = (BTreeMap::new(), 1);
    loop {
        let page = conn.page(&bucket.stream(), &filter, from).await?;
        let Some(last) = page.found.last() else { break };
        from = last.seq + 1;
        for found in page.found.into_iter().filter(|f| f.lives(now_ms)) {
            let Some(key) = subject::key(&bucket.name, &found.subject) else {
                continue;
            };
            if key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > *after) {
                first.insert(key.clone(), found.entry(key));
            }
            if first.len() > limit {
                first.pop_last();
            }
        }
        if page.more == 0 {
            break;
        }
    }
    Ok(first.into_values().collect())
}

/// Exact where one page holds all; else the rest as the server counts it, what has expired since a minute and what says that
/// something was deleted among it.
async fn count(conn: Conn, bucket: Bucket, prefix: String, now_ms: u64) -> Result<u64, Fault> {
    let filter = subject::filter(&bucket.name, &prefix);
    let page = conn.page(&bucket.stream(), &filter, 1).await?;
    let is_counted = |f: &&Found| {
        let key = subject::key(&bucket.name, &f.subject);
        f.lives(now_ms) && key.is_some_and(|k| k.starts_with(&prefix))
    };
    Ok(page.found.iter().filter(is_counted).count() as u64 + page.more)
}

/// Looks through one page from a number on; how many were removed, and where the next look begins.
async fn sweep(
    conn: Conn,
    bucket: Bucket,
    from: u64,
    limit: usize,
    now_ms: u64,
) -> Result<(usize, u64), Fault> {
    let stream = bucket.stream();
    let filter = subject::filter(&bucket.name, "");
    let page = conn.page(&stream, &filter, from).await?;
    let (mut removed, mut next) = (0, from);
    for found in &page.found {
        if removed == limit {
            return Ok((removed, next));
        }
        next = found.seq + 1;
        if !found.is_gone && !found.lives(now_ms) && conn.remove(&stream, found.seq).await? {
            removed += 1;
        }
    }
    let next = if page.more == 0 { 0 } else { next };
    Ok((removed, next))
}

impl Kv for Nats {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        let (bucket, name) = (self.values.clone(), key.to_owned());
        let got = self.link.ask(key, 0, move |conn| async move {
            let at = bucket.subject(&name);
            let found = conn.last(&bucket.stream(), &at).await?;
            let live = found.filter(|f| f.lives(now_ms));
            Ok(live.map(|f| f.entry(name)))
        });
        got.wait()
    }

    fn put(&self, change: Put, now_ms: u64) -> Ack<Etag> {
        if let Err(e) = change.fits() {
            return Ack::ready(Err(e));
        }
        let bucket = self.values.clone();
        let (key, bytes) = (change.key.clone(), change.value.len());
        self.link
            .change(&key, bytes, move |conn| put(conn, bucket, change, now_ms))
    }

    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        let (bucket, name) = (self.values.clone(), key.to_owned());
        self.link.change(key, 0, move |conn| {
            delete(conn, bucket, name, precondition, now_ms)
        })
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        let (bucket, prefix) = (self.values.clone(), prefix.to_owned());
        let (after, limit) = (after.map(str::to_owned), limit.min(MAX_ROWS));
        let found = self.link.ask(MANY, 0, move |conn| {
            scan(conn, bucket, prefix, after, limit, now_ms)
        });
        found.wait()
    }

    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        let (bucket, prefix) = (self.values.clone(), prefix.to_owned());
        let counted = self
            .link
            .ask(MANY, 0, move |conn| count(conn, bucket, prefix, now_ms));
        counted.wait()
    }

    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        let (bucket, place) = (self.values.clone(), self.swept.clone());
        self.link.ask(MANY, 0, move |conn| async move {
            let from = place.load(Relaxed);
            let (removed, next) = sweep(conn, bucket, from, limit, now_ms).await?;
            place.store(next, Relaxed);
            Ok(removed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_hold_is_judged_by_what_lives() {
        use Precondition::{Absent, Any, Is};
        let found = |is_gone, expires_ms| Found {
            subject: String::new(),
            seq: 7,
            at_ms: 0,
            is_gone,
            expires_ms,
            token: None,
            ttl_ms: None,
            headers: Default::default(),
            value: Vec::new(),
        };
        let (live, gone) = (found(false, Some(101)), found(true, None));
        let expired = found(false, Some(100));
        let at = |f: &Found, p| judge("k", Some(f), p, 100);
        assert_eq!(at(&live, Any).unwrap(), Some(Etag(7)));
        assert_eq!(at(&live, Is(Etag(7))).unwrap(), Some(Etag(7)));
        assert!(at(&live, Is(Etag(6))).is_err() && at(&live, Is(Etag::NONE)).is_err());
        assert!(matches!(
            at(&live, Absent),
            Err(Error::Stale {
                actual: Some(Etag(7)),
                ..
            })
        ));
        for dead in [&gone, &expired] {
            assert_eq!(at(dead, Absent).unwrap(), None);
            assert_eq!(at(dead, Any).unwrap(), None);
            assert!(at(dead, Is(Etag(7))).is_err());
        }
        assert_eq!(judge("k", None, Absent, 0).unwrap(), None);
        assert!(judge("k", None, Is(Etag::NONE), 0).is_err());
    }
}
