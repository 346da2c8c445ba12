//! Jobs together with what is kept beside them: a mark, or names of their own. Both are messages of the one stream, stored all or
//! none: a time that has come, or a row that was taken, is one job, whichever nodes look at it and whenever one is killed.

use super::work::{AT_ONCE, TRIES, accept};
use super::{Jobs, Shared, of_mark};
use crate::nats::conn::Conn;
use crate::nats::fault::Fault;
use crate::nats::kv;
use crate::nats::message::Draft;
use crate::queue::{acceptable_marked, acceptable_named};
use crate::{Ack, Bounds, Entry, Error, JobId, Marked, Named, NewJob, Precondition, Put};
use futures_util::StreamExt;
use futures_util::stream::iter;
use std::collections::HashSet;
use std::sync::Arc;

/// Jobs with their names that are stored together: a batch has a thousand messages at most.
const PART: usize = 256;

async fn marked(
    conn: Conn,
    shared: Arc<Shared>,
    jobs: Vec<NewJob>,
    bounds: Bounds,
    mark: Put,
    now_ms: u64,
) -> Result<Vec<JobId>, Fault> {
    let at = of_mark(&shared.stream, &mark.key);
    let found = conn.last(&shared.stream, &at).await?;
    kv::judge(&mark.key, found.as_ref(), mark.precondition, now_ms)?;
    let draft = kv::draft(&mark, now_ms, Some(found.map_or(0, |f| f.seq)));
    // Jobs are refused before the stream is full; what is said of them is not.
    if jobs.is_empty() {
        let said = conn.publish(at, draft).await?;
        return match said {
            Some(_) => Ok(Vec::new()),
            None => Err(kv::overtaken(&mark.key, None).into()),
        };
    }
    let ids = accept(&conn, &shared, vec![(at, draft)], jobs, bounds).await?;
    ids.ok_or_else(|| kv::overtaken(&mark.key, None).into())
}

async fn named(
    conn: Conn,
    shared: Arc<Shared>,
    named: Named,
    bounds: Bounds,
    now_ms: u64,
) -> Result<usize, Fault> {
    let (mut names, mut added) = (HashSet::new(), 0);
    let mut jobs = named.jobs;
    jobs.retain(|(name, _)| names.insert(name.clone()));
    let until_ms = now_ms.saturating_add(named.known_ms);
    while !jobs.is_empty() {
        let rest = jobs.split_off(jobs.len().min(PART));
        added += part(&conn, &shared, jobs, (until_ms, now_ms), bounds).await?;
        jobs = rest;
    }
    let forget = |name| forget(&conn, &shared, name);
    let settled: Vec<_> = named.settled.into_iter().map(forget).collect();
    let settled: Vec<_> = iter(settled).buffered(AT_ONCE).collect().await;
    settled.into_iter().collect::<Result<(), Fault>>()?;
    Ok(added)
}

/// Those of them whose names are not known; how many those were.
async fn part(
    conn: &Conn,
    shared: &Arc<Shared>,
    jobs: Vec<(String, NewJob)>,
    (until_ms, now_ms): (u64, u64),
    bounds: Bounds,
) -> Result<usize, Fault> {
    for _ in 0..TRIES {
        let place = |job: &(String, _)| place(conn, shared, job.0.clone(), (until_ms, now_ms));
        let places: Vec<_> = jobs.iter().map(place).collect();
        let places: Vec<_> = iter(places).buffered(AT_ONCE).collect().await;
        let (mut marks, mut fresh) = (Vec::new(), Vec::new());
        for (place, (_, job)) in places.into_iter().zip(&jobs) {
            if let Some(mark) = place? {
                marks.push(mark);
                fresh.push(job.clone());
            }
        }
        if fresh.is_empty() {
            return Ok(0);
        }
        if let Some(ids) = accept(conn, shared, marks, fresh, bounds).await? {
            return Ok(ids.len());
        }
    }
    Err(Error::Busy.into())
}

/// What makes a name known, and where; `None`: it is.
async fn place(
    conn: &Conn,
    shared: &Shared,
    name: String,
    (until_ms, now_ms): (u64, u64),
) -> Result<Option<(String, Draft)>, Fault> {
    let at = of_mark(&shared.stream, &name);
    let found = conn.last(&shared.stream, &at).await?;
    if kv::judge(&name, found.as_ref(), Precondition::Any, now_ms)?.is_some() {
        return Ok(None);
    }
    let put = Put {
        expires_ms: Some(until_ms),
        ..Put::new(name, Vec::new())
    };
    let draft = kv::draft(&put, now_ms, Some(found.map_or(0, |f| f.seq)));
    Ok(Some((at, draft)))
}

/// A name that nobody brings again.
async fn forget(conn: &Conn, shared: &Shared, name: String) -> Result<(), Fault> {
    conn.purge(&shared.stream, &of_mark(&shared.stream, &name))
        .await
}

impl Marked for Jobs {
    fn enqueue_marked(
        &self,
        jobs: Vec<NewJob>,
        bounds: Bounds,
        mark: Put,
        now_ms: u64,
    ) -> Ack<Vec<JobId>> {
        if let Err(e) = acceptable_marked(&jobs, &mark) {
            return Ack::ready(Err(e));
        }
        let bytes = jobs.iter().map(|j| j.head.len() + j.payload.len()).sum();
        let (shared, key) = (self.shared.clone(), mark.key.clone());
        self.link.write(&key, bytes, move |conn| {
            marked(conn, shared, jobs, bounds, mark, now_ms)
        })
    }

    fn enqueue_named(&self, all: Named, bounds: Bounds, now_ms: u64) -> Ack<usize> {
        if let Err(e) = acceptable_named(&all) {
            return Ack::ready(Err(e));
        }
        let (shared, bytes) = (self.shared.clone(), all.bytes());
        self.link.write("named", bytes, move |conn| {
            named(conn, shared, all, bounds, now_ms)
        })
    }

    fn mark(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        let (shared, key) = (self.shared.clone(), key.to_owned());
        let asked = self.link.ask(&key.clone(), 0, move |conn| async move {
            let at = of_mark(&shared.stream, &key);
            let found = conn.last(&shared.stream, &at).await?;
            Ok(found.filter(|f| f.lives(now_ms)).map(|f| f.entry(key)))
        });
        asked.wait()
    }
}
