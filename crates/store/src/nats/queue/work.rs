//! What is asked of the queue, done over a connection: decided on the index, written to the stream.

use super::decide::{self, Next};
use super::index::Entry;
use super::note::{self, Card, JOB, Note, STATE, Subjects};
use super::{Shared, lock};
use crate::nats::conn::Conn;
use crate::nats::fault::Fault;
use crate::nats::link::PATIENCE;
use crate::nats::message::Draft;
use crate::{Bounds, Cancel, Carried, Error, Finish, JobId, Leased, NewJob, Payload, State};
use futures_util::StreamExt;
use futures_util::stream::iter;
use std::sync::Arc;
use tokio::time::timeout;

/// How often a change begins again that others overtake.
pub const TRIES: usize = 8;
/// How often one lease looks again when others were quicker, or when jobs ended that stood before others.
const LOOKS: usize = 3;
/// Messages that one call has under way at once.
pub const AT_ONCE: usize = 32;
/// How long a job is left alone that is being claimed, or went to another node.
const LEFT_MS: u64 = 3_000;

/// Claims of which it is not known whether they were written; those beyond end by their time.
const DOUBTFUL: usize = 4096;

pub struct Lending {
    pub lane: String,
    pub most: usize,
    pub until_ms: u64,
    pub now_ms: u64,
}

/// What is on its way into the stream, until it is dropped.
struct Coming {
    shared: Arc<Shared>,
    more: super::index::More,
}

impl Drop for Coming {
    fn drop(&mut self) {
        lock(&self.shared.index).come(&self.more, false);
    }
}

impl Shared {
    /// Until all was read once; an error when that takes long.
    pub async fn whole(&self) -> Result<(), Fault> {
        let mut seen = self.seen.subscribe();
        let whole = timeout(PATIENCE, seen.wait_for(|seen| seen.1)).await;
        match whole {
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::Own(Error::Away {
                engine: format!("the stream {}", self.stream),
                why: "what is in it is still being read".into(),
            })),
        }
    }

    /// Until all is known that was accepted here before.
    async fn followed(&self) {
        let accepted = lock(&self.index).accepted;
        let mut seen = self.seen.subscribe();
        let _ = timeout(PATIENCE, seen.wait_for(|seen| seen.0 >= accepted)).await;
    }

    /// How a job stands, from the stream when it is not known here.
    pub async fn find(&self, conn: &Conn, id: JobId) -> Result<Option<Entry>, Fault> {
        if let Some(entry) = lock(&self.index).get(id) {
            return Ok(Some(entry.clone()));
        }
        let Some(found) = conn.at(&self.stream, id.seq).await? else {
            return Ok(None);
        };
        let is_it = note::secret(&self.stream, &found.subject) == Some(id.secret);
        let card = note::read::<Card>(&found.headers, JOB).filter(|_| is_it);
        let Some(card) = card else {
            return Ok(None);
        };
        lock(&self.index).accept(id.seq, id.secret, card);
        self.refresh(conn, id).await?;
        Ok(lock(&self.index).get(id).cloned())
    }

    /// Asks the stream how a job stands.
    async fn refresh(&self, conn: &Conn, id: JobId) -> Result<(), Fault> {
        let at = Subjects::of(&self.stream, id.secret).state;
        let found = conn.last(&self.stream, &at).await?;
        let mut index = lock(&self.index);
        match found {
            Some(found) => {
                if let Some(note) = note::read::<Note>(&found.headers, STATE) {
                    index.note(found.seq, id.secret, note);
                }
            }
            // It was said how it stands, and that is gone: so is the job.
            None if index.get(id).is_some_and(|e| e.at > 0) => index.forget(id.seq),
            None => {}
        }
        Ok(())
    }

    /// False: somebody was quicker.
    async fn write(&self, conn: &Conn, id: JobId, at: u64, next: Next) -> Result<bool, Fault> {
        let draft = Draft {
            headers: vec![(STATE, note::write(&next.note))],
            value: next.result,
            expected: Some(at),
            ..Draft::default()
        };
        let subject = Subjects::of(&self.stream, id.secret).state;
        let Some(seq) = conn.publish(subject, draft).await? else {
            return Ok(false);
        };
        lock(&self.index).note(seq, id.secret, next.note);
        Ok(true)
    }

    /// Writes what is decided on how the job stands, again when that was not how it stood; what is said of it. `None`: there is no such job.
    async fn change<T>(
        &self,
        conn: &Conn,
        id: JobId,
        decide: impl Fn(&Entry) -> (T, Option<Next>),
    ) -> Result<Option<T>, Fault> {
        for _ in 0..TRIES {
            let Some(entry) = self.find(conn, id).await? else {
                return Ok(None);
            };
            let (said, next) = decide(&entry);
            let Some(next) = next else {
                return Ok(Some(said));
            };
            if self.write(conn, id, entry.at, next).await? {
                return Ok(Some(said));
            }
            self.refresh(conn, id).await?;
        }
        Err(Error::Busy.into())
    }

    /// What the message of a job holds that was accepted; of one that has ended otherwise than dead nobody asks for it.
    pub async fn carried(&self, conn: &Conn, id: JobId) -> Result<Option<Carried>, Fault> {
        let entry = self.find(conn, id).await?;
        let is_asked = |e: &Entry| !e.note.state.has_ended() || e.note.state == State::Dead;
        let Some(entry) = entry.filter(is_asked) else {
            return Ok(None);
        };
        let found = conn.at(&self.stream, id.seq).await?;
        Ok(found.and_then(|found| parted(found.value, entry.card.head)))
    }

    pub async fn result(&self, conn: &Conn, id: JobId) -> Result<Option<Vec<u8>>, Fault> {
        let at = Subjects::of(&self.stream, id.secret).state;
        let Some(found) = conn.last(&self.stream, &at).await? else {
            return Ok(None);
        };
        let note = note::read::<Note>(&found.headers, STATE);
        let has_ended = |n: &Note| n.job == id.seq && n.state.has_ended() && !n.forgotten;
        Ok(note.filter(has_ended).map(|_| found.value))
    }
}

pub async fn enqueue(
    conn: Conn,
    shared: Arc<Shared>,
    jobs: Vec<NewJob>,
    bounds: Bounds,
) -> Result<Vec<JobId>, Fault> {
    let ids = accept(&conn, &shared, Vec::new(), jobs, bounds).await?;
    ids.ok_or_else(|| {
        Error::Invalid("a job with the same secret is in the queue already".into()).into()
    })
}

/// Stores jobs behind other messages, all of them or none. `None`: one of them is not what was expected under its subject.
pub async fn accept(
    conn: &Conn,
    shared: &Arc<Shared>,
    mut messages: Vec<(String, Draft)>,
    jobs: Vec<NewJob>,
    bounds: Bounds,
) -> Result<Option<Vec<JobId>>, Fault> {
    shared.whole().await?;
    // Near its bound it matters what others have accepted meanwhile.
    let is_near = lock(&shared.index).is_near(&jobs, bounds);
    if is_near {
        shared.followed().await;
    }
    let more = lock(&shared.index).reserve(&jobs, bounds)?;
    let _coming = Coming {
        shared: shared.clone(),
        more,
    };
    let mut cards = Vec::new();
    for job in jobs {
        let card = Card::of(&job);
        let mut value = job.head;
        value.extend_from_slice(&job.payload);
        let draft = Draft {
            headers: vec![(JOB, note::write(&card))],
            value,
            expected: Some(0),
            ..Draft::default()
        };
        messages.push((Subjects::of(&shared.stream, job.secret).accepted, draft));
        cards.push((job.secret, card));
    }
    let Some(last) = conn.publish_all(messages).await? else {
        return Ok(None);
    };
    let first = (last + 1).saturating_sub(cards.len() as u64);
    let mut index = lock(&shared.index);
    index.accepted = index.accepted.max(last);
    let ids = (first..).zip(cards).map(|(seq, (secret, card))| {
        index.accept(seq, secret, card);
        JobId { seq, secret }
    });
    Ok(Some(ids.collect()))
}

pub async fn lease(
    conn: Conn,
    shared: Arc<Shared>,
    lending: Lending,
) -> Result<Vec<Leased>, Fault> {
    shared.whole().await?;
    shared.followed().await;
    let mut leased = Vec::new();
    for _ in 0..LOOKS {
        let most = lending.most - leased.len();
        let now_ms = lending.now_ms;
        let picked = lock(&shared.index).pick(&lending.lane, most, now_ms, now_ms + LEFT_MS);
        let (wanted, over) = (picked.lend.len(), picked.over.len());
        let ends = iter(picked.over).map(|seq| end(&conn, &shared, seq, now_ms));
        let ends: Vec<_> = ends.buffered(AT_ONCE).collect().await;
        let claims = iter(picked.lend).map(|seq| claim(&conn, &shared, seq, &lending));
        let claims: Vec<_> = claims.buffered(AT_ONCE).collect().await;
        let (before, mut failed) = (leased.len(), ends.into_iter().find_map(Result::err));
        for claim in claims {
            match claim {
                Ok(job) => leased.extend(job),
                Err(fault) => failed = Some(fault),
            }
        }
        match failed {
            // Those that it has are worked on all the same.
            Some(Fault::Lost(why)) if !leased.is_empty() => {
                conn.give_up(&why);
                break;
            }
            Some(fault) if leased.is_empty() => return Err(fault),
            _ => {}
        }
        let got_all = leased.len() - before == wanted;
        if leased.len() == lending.most || (got_all && over == 0) {
            break;
        }
    }
    Ok(leased)
}

/// `None`: another node was quicker.
async fn claim(
    conn: &Conn,
    shared: &Shared,
    seq: u64,
    lending: &Lending,
) -> Result<Option<Leased>, Fault> {
    let Some(entry) = lock(&shared.index).at(seq).cloned() else {
        return Ok(None);
    };
    let id = JobId {
        seq,
        secret: entry.secret,
    };
    let next = decide::lend(&entry, shared.me, lending.until_ms);
    let attempt = next.note.attempts;
    let (claimed, carried) = tokio::join!(
        shared.write(conn, id, entry.at, next),
        conn.at(&shared.stream, seq)
    );
    let carried = match (claimed, carried) {
        (Ok(false), _) => return Ok(None),
        (Ok(true), Ok(carried)) => carried,
        (Err(fault), _) | (_, Err(fault)) => {
            let mut held = lock(&shared.held);
            if held.doubtful.len() < DOUBTFUL {
                held.doubtful.push((id, attempt));
            }
            return Err(fault);
        }
    };
    let Some(carried) = carried.and_then(|c| parted(c.value, entry.card.head)) else {
        let how = Finish::Dead {
            reason: "what it carried is gone from the stream".into(),
            result: Vec::new(),
        };
        let decide = |e: &Entry| ((), decide::finish(e, attempt, &how, lending.now_ms));
        shared.change(conn, id, decide).await?;
        return Ok(None);
    };
    lock(&shared.held).leased.insert(id, attempt);
    Ok(Some(Leased {
        id,
        tenant: entry.card.tenant.clone(),
        attempt,
        enqueued_ms: entry.card.enqueued_ms,
        expires_ms: entry.note.expires_ms,
        position: 0,
        head: carried.head,
        payload: carried.payload,
    }))
}

/// The value of a message that was accepted: the head, and then the payload. `None`: it is shorter than the head.
fn parted(mut value: Vec<u8>, head: usize) -> Option<Carried> {
    (value.len() >= head).then(|| {
        let payload = value.split_off(head);
        Carried {
            head: value,
            payload: Payload::Inline(payload),
        }
    })
}

/// Of a job whose time is over.
async fn end(conn: &Conn, shared: &Shared, seq: u64, now_ms: u64) -> Result<(), Fault> {
    let Some(entry) = lock(&shared.index).at(seq).cloned() else {
        return Ok(());
    };
    let id = JobId {
        seq,
        secret: entry.secret,
    };
    let next = decide::expire(&entry, now_ms);
    shared.write(conn, id, entry.at, next).await.map(drop)
}

pub async fn finish(
    conn: Conn,
    shared: Arc<Shared>,
    id: JobId,
    attempt: u32,
    how: Finish,
    now_ms: u64,
) -> Result<bool, Fault> {
    let how = fitting(how, conn.most());
    let decide = |e: &Entry| match decide::finish(e, attempt, &how, now_ms) {
        None => (false, None),
        next => (true, next),
    };
    let had = shared.change(&conn, id, decide).await?;
    let mut held = lock(&shared.held);
    if held.leased.get(&id) == Some(&attempt) {
        held.leased.remove(&id);
    }
    Ok(had == Some(true))
}

/// A result that the server does not take is not kept: the job has ended all the same.
fn fitting(how: Finish, most: usize) -> Finish {
    match how {
        Finish::Done { result } if result.len() > most => Finish::Done { result: Vec::new() },
        Finish::Dead { reason, result } if result.len() > most => Finish::Dead {
            reason,
            result: Vec::new(),
        },
        how => how,
    }
}

pub async fn cancel(
    conn: Conn,
    shared: Arc<Shared>,
    id: JobId,
    now_ms: u64,
) -> Result<Cancel, Fault> {
    shared.refresh(&conn, id).await?;
    let said = shared
        .change(&conn, id, |e| decide::cancel(e, now_ms))
        .await?;
    Ok(said.unwrap_or(Cancel::Unknown))
}

pub async fn redrive(
    conn: Conn,
    shared: Arc<Shared>,
    id: JobId,
    due_ms: u64,
    expires_ms: u64,
) -> Result<bool, Fault> {
    shared.whole().await?;
    shared.refresh(&conn, id).await?;
    let decide = |e: &Entry| {
        let turn = {
            let index = lock(&shared.index);
            index.followed.max(index.accepted) + 1
        };
        match decide::redrive(e, due_ms, expires_ms, turn) {
            None => (false, None),
            next => (true, next),
        }
    };
    let driven = shared.change(&conn, id, decide).await?;
    Ok(driven == Some(true))
}

pub async fn discard(
    conn: Conn,
    shared: Arc<Shared>,
    id: JobId,
    reason: String,
    now_ms: u64,
) -> Result<bool, Fault> {
    shared.refresh(&conn, id).await?;
    let decide = |e: &Entry| match decide::discard(e, &reason, now_ms) {
        None => (false, None),
        next => (true, next),
    };
    let discarded = shared.change(&conn, id, decide).await?;
    Ok(discarded == Some(true))
}

/// The attempt is nobody's any more.
pub async fn give_up(
    conn: &Conn,
    shared: &Shared,
    id: JobId,
    attempt: u32,
    counts: bool,
) -> Result<(), Fault> {
    let decide = |e: &Entry| ((), decide::give_up(e, attempt, shared.me, counts));
    shared.change(conn, id, decide).await.map(drop)
}

pub async fn forget(
    conn: Conn,
    shared: Arc<Shared>,
    ended_ms: u64,
    dead_ms: u64,
    most: usize,
) -> Result<usize, Fault> {
    shared.whole().await?;
    let old = lock(&shared.index).old(ended_ms, dead_ms, most);
    let all: Vec<_> = iter(old)
        .map(|seq| forget_one(&conn, &shared, seq))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut forgotten = 0;
    for one in all {
        forgotten += usize::from(one?);
    }
    let loose = std::mem::take(&mut lock(&shared.index).loose);
    for secret in loose {
        let both = Subjects::of(&shared.stream, secret).both;
        conn.purge(&shared.stream, &both).await?;
    }
    Ok(forgotten)
}

/// A dead one is marked first: somebody may be driving it again. Others have ended for good.
async fn forget_one(conn: &Conn, shared: &Shared, seq: u64) -> Result<bool, Fault> {
    let Some(entry) = lock(&shared.index).at(seq).cloned() else {
        return Ok(false);
    };
    let id = JobId {
        seq,
        secret: entry.secret,
    };
    if entry.note.state == State::Dead {
        let marked = decide::forget(&entry);
        let Some(next) = marked else { return Ok(false) };
        if !shared.write(conn, id, entry.at, next).await? {
            shared.refresh(conn, id).await?;
            return Ok(false);
        }
    }
    // A mark has it taken out with those of others.
    if entry.note.state != State::Dead {
        let both = Subjects::of(&shared.stream, id.secret).both;
        conn.purge(&shared.stream, &both).await?;
        lock(&shared.index).forget(seq);
    }
    Ok(true)
}
