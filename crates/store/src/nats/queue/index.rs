//! What a node knows of all jobs, without what they carry: made from the messages of the stream, in their order. Pure.
//!
//! It may lag behind the stream, never run ahead of it: ends are final (but for a redrive, which a person does), so what it takes
//! for open may have ended, and a claim finds out.

use super::note::{Card, Note};
use crate::nats::follow::Place;
use crate::{Bounds, Error, Job, JobId, Lane, NewJob, State};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Most jobs that a node knows, and most bytes of what it knows of them: beyond, none is accepted.
pub const MOST: usize = 1_000_000;
pub const MOST_BYTES: u64 = 1 << 30;
/// What a job takes beside its texts, at most.
const ENTRY: u64 = 512;
/// Most of them.
const LOOSE: usize = 4096;

/// One job.
#[derive(Clone, Debug)]
pub struct Entry {
    pub secret: u128,
    pub card: Arc<Card>,
    pub note: Note,
    /// Number of the message that the note is from; 0: there is none yet.
    pub at: u64,
    /// A claim of ours is under way, or went to another: it is left alone until then.
    pub left_ms: u64,
}

impl Entry {
    fn weight(&self) -> u64 {
        let c = &self.card;
        let key = c.key.as_ref().map_or(0, String::len);
        let texts =
            c.lane.len() + c.tenant.len() + 2 * key + c.title.len() + self.note.reason.len();
        ENTRY + texts as u64
    }
}

/// Jobs and bytes by lane.
pub type More = BTreeMap<String, (u64, u64)>;

/// Those that may be lent, by when they are due, and their turn.
type Ready = BTreeSet<(u64, u64, u64)>;

#[derive(Default)]
pub(super) struct Open {
    /// Numbers of those that have not ended, and of those that have.
    open: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    bytes: u64,
    dead: u64,
    /// By tenant.
    pub ready: BTreeMap<String, Ready>,
    /// Of each key those that have not ended, and dead ones that hold up those after them: a leased one is first, then they come in
    /// their turns.
    keys: HashMap<String, BTreeSet<(bool, u64, u64)>>,
    /// The tenant that was served last, and how many more of its jobs come in its turn.
    pub served: String,
    pub rest: usize,
    /// Jobs and bytes that are on their way into the stream.
    coming: (u64, u64),
}

#[derive(Default)]
pub struct Index {
    jobs: BTreeMap<u64, Entry>,
    lanes: BTreeMap<String, Open>,
    /// When they ended: done or cancelled ones, and dead ones.
    over: [BTreeSet<(u64, u64)>; 2],
    weight: u64,
    /// Secrets of those that were marked as forgotten: whoever marked them may not have come to take them out.
    pub loose: Vec<u128>,
    /// All messages up to this number were seen.
    pub followed: u64,
    /// Highest number that was accepted here.
    pub accepted: u64,
    /// Where to go on following.
    pub place: Place,
    /// Bytes in the stream, and how many it may have.
    pub used: u64,
    pub room: Option<u64>,
}

impl Index {
    pub fn get(&self, id: JobId) -> Option<&Entry> {
        self.jobs.get(&id.seq).filter(|e| e.secret == id.secret)
    }

    pub fn find(&self, lane: &str, secret: u128) -> Option<JobId> {
        let is = |e: &Entry| e.secret == secret && e.card.lane == lane;
        let found = self.jobs.iter().find(|(_, e)| is(e));
        found.map(|(&seq, _)| JobId { seq, secret })
    }

    pub fn at(&self, seq: u64) -> Option<&Entry> {
        self.jobs.get(&seq)
    }

    pub(super) fn lane(&mut self, name: &str) -> Option<(&mut Open, &BTreeMap<u64, Entry>)> {
        Some((self.lanes.get_mut(name)?, &self.jobs))
    }

    /// It is another stream than before.
    pub fn clear(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        *self = Index::default();
        for (name, open) in lanes {
            self.lanes.entry(name).or_default().coming = open.coming;
        }
    }

    /// A job that was accepted; what is known already stays as it is.
    pub fn accept(&mut self, seq: u64, secret: u128, card: Card) {
        if self.jobs.contains_key(&seq) {
            return;
        }
        let entry = Entry {
            secret,
            note: card.standing(seq),
            card: Arc::new(card),
            at: 0,
            left_ms: 0,
        };
        self.jobs.insert(seq, entry);
        self.link(seq, true);
    }

    /// How a job stands, as the message with this number says. Of one that is not known nothing is learned.
    pub fn note(&mut self, at: u64, secret: u128, note: Note) {
        let seq = note.job;
        let is_newer = |e: &Entry| e.secret == secret && e.at < at;
        if !self.jobs.get(&seq).is_some_and(is_newer) {
            return;
        }
        self.link(seq, false);
        if note.forgotten {
            self.jobs.remove(&seq);
            if self.loose.len() < LOOSE {
                self.loose.push(secret);
            }
            return;
        }
        if let Some(entry) = self.jobs.get_mut(&seq) {
            (entry.note, entry.at, entry.left_ms) = (note, at, 0);
        }
        self.link(seq, true);
    }

    /// Its messages are gone.
    pub fn forget(&mut self, seq: u64) {
        if self.jobs.contains_key(&seq) {
            self.link(seq, false);
            self.jobs.remove(&seq);
        }
    }

    /// Until then it is not picked.
    pub fn leave(&mut self, seq: u64, until_ms: u64) {
        if let Some(entry) = self.jobs.get_mut(&seq) {
            entry.left_ms = until_ms;
        }
    }

    /// Puts a job where it is found by what it is, or takes it out there.
    fn link(&mut self, seq: u64, puts: bool) {
        let Some(entry) = self.jobs.get(&seq) else {
            return;
        };
        let (card, note) = (entry.card.clone(), &entry.note);
        let lane = self.lanes.entry(card.lane.clone()).or_default();
        let weight = entry.weight();
        match puts {
            true => self.weight += weight,
            false => self.weight = self.weight.saturating_sub(weight),
        }
        if note.state.has_ended() {
            let is_dead = note.state == State::Dead;
            put(&mut lane.ended, seq, puts);
            let over = (note.ended_ms.unwrap_or(0), seq);
            put(&mut self.over[usize::from(is_dead)], over, puts);
            count(&mut lane.dead, u64::from(is_dead), puts);
            if !is_dead || !card.blocks || note.attempts == 0 {
                return;
            }
        } else {
            put(&mut lane.open, seq, puts);
            count(&mut lane.bytes, card.bytes, puts);
        }
        let Some(key) = &card.key else {
            if !note.state.has_ended() {
                lane.offer(entry, seq, puts);
            }
            return;
        };
        let place = (note.state != State::Leased, note.turn, seq);
        let of_key = lane.keys.entry(key.clone()).or_default();
        let before = of_key.first().map(|p| p.2);
        put(of_key, place, puts);
        let now = of_key.first().map(|p| p.2);
        if of_key.is_empty() {
            lane.keys.remove(key);
        }
        if before == now {
            return;
        }
        for (head, puts) in [(before, false), (now, true)] {
            let head = head.and_then(|s| Some((s, self.jobs.get(&s)?)));
            if let Some((seq, entry)) = head.filter(|h| h.1.note.state != State::Dead) {
                lane.offer(entry, seq, puts);
            }
        }
    }

    fn is_behind(&self, seq: u64, entry: &Entry) -> bool {
        let Some(key) = &entry.card.key else {
            return false;
        };
        let of_key = self
            .lanes
            .get(&entry.card.lane)
            .and_then(|l| l.keys.get(key));
        entry.note.state == State::Waiting
            && of_key
                .and_then(BTreeSet::first)
                .is_some_and(|head| head.2 != seq)
    }

    pub fn shown(&self, seq: u64, entry: &Entry) -> Job {
        let (c, n) = (&entry.card, &entry.note);
        Job {
            id: JobId {
                seq,
                secret: entry.secret,
            },
            lane: c.lane.clone(),
            tenant: c.tenant.clone(),
            key: c.key.clone(),
            state: match self.is_behind(seq, entry) {
                true => State::Behind,
                false => n.state,
            },
            attempts: n.attempts,
            enqueued_ms: c.enqueued_ms,
            due_ms: n.due_ms,
            expires_ms: n.expires_ms,
            ended_ms: n.ended_ms,
            title: c.title.clone(),
            reason: n.reason.clone(),
            bytes: c.bytes,
        }
    }

    pub fn jobs(&self, lane: &str, state: State, after: u64, limit: usize) -> Vec<Job> {
        let (Some(lane), Some(from)) = (self.lanes.get(lane), after.checked_add(1)) else {
            return Vec::new();
        };
        let seqs = if state.has_ended() {
            &lane.ended
        } else {
            &lane.open
        };
        let all = seqs.range(from..);
        let all = all.filter_map(|seq| Some(self.shown(*seq, self.jobs.get(seq)?)));
        all.filter(|j| j.state == state).take(limit).collect()
    }

    pub fn ahead(&self, job: &Job, most: u64) -> u64 {
        let before = self
            .lanes
            .get(&job.lane)
            .map(|l| l.open.range(..job.id.seq));
        before.map_or(0, |b| b.take(most as usize).count() as u64)
    }

    /// Of those that wait the ones whose time has not come, and those behind others.
    pub fn put_off(&self, lane: &str, now_ms: u64) -> u64 {
        let Some(lane) = self.lanes.get(lane) else {
            return 0;
        };
        let waits = |seq: &u64| {
            let entry = self.jobs.get(seq);
            entry.is_some_and(|e| e.note.state == State::Waiting)
        };
        let later = |ready: &Ready| {
            let later = ready.range((now_ms + 1, 0, 0)..);
            later.filter(|(_, _, seq)| waits(seq)).count() as u64
        };
        let ready: usize = lane.ready.values().map(BTreeSet::len).sum();
        let behind = (lane.open.len() - ready.min(lane.open.len())) as u64;
        behind + lane.ready.values().map(later).sum::<u64>()
    }

    pub fn lanes(&self) -> Vec<Lane> {
        let shown = |(name, lane): (&String, &Open)| {
            let oldest = lane.open.first().and_then(|s| self.jobs.get(s));
            Lane {
                name: name.clone(),
                waiting: lane.open.len() as u64,
                bytes: lane.bytes,
                dead: lane.dead,
                oldest_ms: oldest.map(|e| e.card.enqueued_ms),
            }
        };
        self.lanes.iter().map(shown).collect()
    }

    /// Those that ended before, the oldest first: dead ones before `dead_ms`, others before `ended_ms`.
    pub fn old(&self, ended_ms: u64, dead_ms: u64, most: usize) -> Vec<u64> {
        let before = |i: usize, ms: u64| self.over[i].range(..(ms, 0)).map(|o| o.1);
        (before(0, ended_ms).chain(before(1, dead_ms)))
            .take(most)
            .collect()
    }

    /// Whether a lane of theirs is filled to seven eighths.
    pub fn is_near(&self, jobs: &[NewJob], bounds: Bounds) -> bool {
        by_lane(jobs).keys().any(|name| {
            let lane = self.lanes.get(name);
            lane.is_some_and(|l| {
                let jobs = l.open.len() as u64 + l.coming.0;
                jobs >= bounds.jobs / 8 * 7 || l.bytes + l.coming.1 >= bounds.bytes / 8 * 7
            })
        })
    }

    /// Whether all of them fit, each into its lane, with those that are on their way; then they are on it, too.
    pub fn reserve(&mut self, jobs: &[NewJob], bounds: Bounds) -> Result<More, Error> {
        let full = |what: String, holds: String, limit: String| Error::Full { what, holds, limit };
        if self.jobs.len() + jobs.len() > MOST || self.weight > MOST_BYTES {
            return Err(full(
                "the queue".into(),
                format!("{} jobs", self.jobs.len()),
                format!("{MOST} jobs, those that have ended and are kept among them"),
            ));
        }
        let more = by_lane(jobs);
        for (lane, &(n, bytes)) in &more {
            let held = self.lanes.get(lane).map_or((0, 0), |l| {
                let (jobs, bytes) = l.coming;
                (l.open.len() as u64 + jobs, l.bytes + bytes)
            });
            let what = || format!("the queue of `{lane}`");
            if held.0.saturating_add(n) > bounds.jobs {
                let said = |n: u64| format!("{n} jobs");
                return Err(full(what(), said(held.0), said(bounds.jobs)));
            }
            if held.1.saturating_add(bytes) > bounds.bytes {
                let said = |n: u64| format!("{n} bytes");
                return Err(full(what(), said(held.1), said(bounds.bytes)));
            }
        }
        let bytes: u64 = more.values().map(|m| m.1).sum();
        // What ends has to be written, too.
        let most = self.room.map(|room| room / 8 * 7);
        if let Some(most) = most.filter(|most| self.used + bytes > *most) {
            return Err(full(
                "the stream of jobs".into(),
                format!("{} bytes", self.used),
                format!("{most} bytes: raise its max_bytes (`nats stream edit`)"),
            ));
        }
        self.used += bytes;
        self.come(&more, true);
        Ok(more)
    }

    /// They are on their way into the stream, or not any more.
    pub fn come(&mut self, more: &More, puts: bool) {
        for (lane, &(n, bytes)) in more {
            let coming = &mut self.lanes.entry(lane.clone()).or_default().coming;
            count(&mut coming.0, n, puts);
            count(&mut coming.1, bytes, puts);
        }
    }
}

impl Open {
    /// To be lent, or not any more.
    fn offer(&mut self, entry: &Entry, seq: u64, puts: bool) {
        let place = (entry.note.due_ms, entry.note.turn, seq);
        let of_tenant = self.ready.entry(entry.card.tenant.clone()).or_default();
        put(of_tenant, place, puts);
        if of_tenant.is_empty() {
            self.ready.remove(&entry.card.tenant);
        }
    }
}

fn by_lane(jobs: &[NewJob]) -> More {
    let mut more = More::new();
    for job in jobs {
        let (n, bytes) = more.entry(job.lane.clone()).or_default();
        *n += 1;
        *bytes += (job.head.len() + job.payload.len()) as u64;
    }
    more
}

fn put<T: Ord>(set: &mut BTreeSet<T>, one: T, puts: bool) {
    match puts {
        true => set.insert(one),
        false => set.remove(&one),
    };
}

fn count(of: &mut u64, by: u64, puts: bool) {
    *of = match puts {
        true => of.saturating_add(by),
        false => of.saturating_sub(by),
    };
}
