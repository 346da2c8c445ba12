//! What becomes of a job: its next standing, or why there is none. Pure.

use super::index::Entry;
use super::note::Note;
use crate::{Cancel, Finish, State};

/// What the message says that is written next.
pub struct Next {
    pub note: Note,
    pub result: Vec<u8>,
}

fn next(entry: &Entry, change: impl FnOnce(&mut Note)) -> Next {
    let mut note = entry.note.clone();
    change(&mut note);
    Next {
        note,
        result: Vec::new(),
    }
}

fn ended(entry: &Entry, state: State, reason: &str, now_ms: u64) -> Next {
    next(entry, |n| {
        (n.state, n.ended_ms) = (state, Some(now_ms));
        n.reason = reason.to_owned();
    })
}

/// One more attempt begins.
pub fn lend(entry: &Entry, by: u64, until_ms: u64) -> Next {
    next(entry, |n| {
        (n.state, n.by, n.due_ms) = (State::Leased, by, until_ms);
        n.attempts = n.attempts.saturating_add(1);
    })
}

/// Its time has come, or it was cancelled while a worker had it that never said what came of it.
pub fn expire(entry: &Entry, now_ms: u64) -> Next {
    match entry.note.expires_ms {
        0 => ended(entry, State::Cancelled, "cancelled", now_ms),
        _ => ended(
            entry,
            State::Dead,
            "expired: it was not done in its time",
            now_ms,
        ),
    }
}

/// `None`: the worker does not have it.
pub fn finish(entry: &Entry, attempt: u32, how: &Finish, now_ms: u64) -> Option<Next> {
    let n = &entry.note;
    if n.state != State::Leased || n.attempts != attempt {
        return None;
    }
    let wait = |attempts: u32, at_ms: u64, reason: &str| {
        next(entry, |n| {
            (n.state, n.attempts, n.due_ms) = (State::Waiting, attempts, at_ms);
            n.reason = reason.to_owned();
        })
    };
    Some(match how {
        Finish::Done { result } => Next {
            result: result.clone(),
            ..ended(entry, State::Done, "", now_ms)
        },
        Finish::Dead { reason, result } => Next {
            result: result.clone(),
            ..ended(entry, State::Dead, reason, now_ms)
        },
        Finish::Retry { reason, .. } | Finish::Release { reason, .. } if n.expires_ms == 0 => {
            ended(entry, State::Cancelled, reason, now_ms)
        }
        Finish::Retry { at_ms, reason } => wait(attempt, *at_ms, reason),
        Finish::Release { at_ms, reason } => wait(attempt.saturating_sub(1), *at_ms, reason),
    })
}

/// The worker is gone, and what it did is not known: the attempt counts.
pub fn give_up(entry: &Entry, attempt: u32, by: u64, counts: bool) -> Option<Next> {
    let n = &entry.note;
    let is_ours = n.state == State::Leased && n.attempts == attempt && n.by == by;
    is_ours.then(|| {
        next(entry, |n| {
            // A lease that has run out: of a job that was cancelled meanwhile the next look makes an end.
            n.due_ms = 0;
            if n.expires_ms > 0 {
                n.state = State::Waiting;
                n.attempts -= u32::from(!counts && n.attempts > 0);
            }
        })
    })
}

/// What to say of it, and what to write.
pub fn cancel(entry: &Entry, now_ms: u64) -> (Cancel, Option<Next>) {
    match entry.note.state {
        state if state.has_ended() => (Cancel::Ended(state), None),
        State::Leased => {
            let later = next(entry, |n| n.expires_ms = 0);
            (Cancel::AfterAttempt, Some(later))
        }
        _ => {
            let now = ended(entry, State::Cancelled, "cancelled", now_ms);
            (Cancel::Cancelled, Some(now))
        }
    }
}

/// `turn`: above that of all others of its key; one that held them up goes before them.
pub fn redrive(entry: &Entry, due_ms: u64, expires_ms: u64, turn: u64) -> Option<Next> {
    (entry.note.state == State::Dead).then(|| {
        next(entry, |n| {
            (n.state, n.attempts, n.ended_ms) = (State::Waiting, 0, None);
            (n.due_ms, n.expires_ms) = (due_ms, expires_ms);
            if !entry.card.blocks {
                n.turn = turn;
            }
        })
    })
}

pub fn discard(entry: &Entry, reason: &str, now_ms: u64) -> Option<Next> {
    let is_dead = entry.note.state == State::Dead;
    is_dead.then(|| ended(entry, State::Cancelled, reason, now_ms))
}

pub fn forget(entry: &Entry) -> Option<Next> {
    let has_ended = entry.note.state.has_ended();
    has_ended.then(|| next(entry, |n| n.forgotten = true))
}
