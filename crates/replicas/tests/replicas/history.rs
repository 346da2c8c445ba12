//! What sessions saw, and whether that may be. Registers count up, so a version says which write it was.

use crate::stage::{Session, Stage};
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Event {
    pub key: String,
    pub write: bool,
    pub version: u64,
    pub start: Instant,
    pub end: Instant,
}

/// Reads of one session that showed less than it had written, and less than it had seen.
pub fn wrong(history: &[Event]) -> (usize, usize) {
    let (mut written, mut seen) = (HashMap::new(), HashMap::new());
    let (mut own, mut back) = (0, 0);
    for e in history {
        if e.write {
            written.insert(&e.key, e.version);
        } else {
            own += usize::from(written.get(&e.key).is_some_and(|v| e.version < *v));
            back += usize::from(seen.get(&e.key).is_some_and(|v| e.version < *v));
            let most = seen.entry(&e.key).or_insert(0);
            *most = e.version.max(*most);
        }
    }
    (own, back)
}

/// Reads that showed less than what had been written or read by anybody before they began. With versions in the order of
/// the writes, none means that each register is linearizable.
pub fn not_linear(histories: &[Vec<Event>]) -> usize {
    let all: Vec<&Event> = histories.iter().flatten().collect();
    let before = |r: &Event| {
        let done = all.iter().filter(|e| e.key == r.key && e.end < r.start);
        done.map(|e| e.version).max().unwrap_or(0)
    };
    all.iter().filter(|r| r.version < before(r)).count()
}

/// Sessions that write a fifth of the time to registers of their own and of all, and read them.
pub fn play(stage: &Stage, level: &str, sessions: usize, lasts: Duration) -> Vec<Vec<Event>> {
    std::thread::scope(|s| {
        let one = |i: usize| {
            let mut session = stage.session();
            s.spawn(move || play_one(&mut session, level, i, lasts))
        };
        let all: Vec<_> = (0..sessions).map(one).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn play_one(session: &mut Session, level: &str, i: usize, lasts: Duration) -> Vec<Event> {
    let (own, mut history) = (format!("{level}-{i}"), Vec::new());
    let (until, mut turn) = (Instant::now() + lasts, 0);
    while Instant::now() < until {
        turn += 1;
        let key = if turn % 3 == 0 { "all" } else { own.as_str() };
        // What is refused is no event.
        history.extend(session.event(turn % 5 == 1, level, key));
    }
    history
}

/// Of all sessions together.
pub fn all_wrong(histories: &[Vec<Event>]) -> (usize, usize) {
    let each = histories.iter().map(|h| wrong(h));
    each.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

pub fn reads(histories: &[Vec<Event>]) -> usize {
    histories.iter().flatten().filter(|e| !e.write).count()
}
