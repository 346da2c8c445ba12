//! A request's wait for the second level: one asks for a key, those who come meanwhile wait with it, and all go on when it takes
//! too long.

use super::Level;
use crate::gate::Ticket;
use crate::request::cache::disk::line::number;
use base::Nanos;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Requests that wait for one key.
const WAITING: usize = 4096;
/// Keys that are asked for at once.
const ASKING: usize = 4096;
/// For so long a key that was not there is not asked for again: those who come meanwhile wait for the service's answer.
const AGAIN: Duration = Duration::from_millis(100);

/// What came of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked, or need not be.
    #[default]
    Asked,
    Away,
    Slow,
}

impl Outcome {
    /// `detail` in `Cache-Status`, and in the access log.
    pub fn detail(self) -> &'static str {
        match self {
            Outcome::Asked => "",
            Outcome::Away => "shared-away",
            Outcome::Slow => "shared-slow",
        }
    }
}

/// Keys that were not there a moment ago. A fixed table; who is forgotten is asked for once more.
pub struct Lately {
    /// The upper half of the key's number, and the millisecond until which it counts.
    cells: Box<[AtomicU64]>,
}

const CELLS: usize = 1 << 12;

impl Default for Lately {
    fn default() -> Self {
        Lately {
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Lately {
    fn note(&self, key: u64, now: Nanos) {
        let until = (now + AGAIN).0 / 1_000_000;
        let value = key >> 32 << 32 | until & u64::from(u32::MAX);
        self.cells[key as usize % CELLS].store(value, Relaxed);
    }

    fn knows(&self, key: u64, now: Nanos) -> bool {
        let cell = self.cells[key as usize % CELLS].load(Relaxed);
        let (until, now) = (cell as u32, (now.0 / 1_000_000) as u32);
        // The millisecond comes round after weeks.
        let left = until.wrapping_sub(now);
        cell >> 32 == key >> 32 && (1..=AGAIN.as_millis() as u32).contains(&left)
    }
}

/// Whoever asks; gone in whichever way, those who wait with it go on.
struct Leading {
    level: Arc<Level>,
    key: u64,
}

impl Drop for Leading {
    fn drop(&mut self) {
        let mut reading = self.level.reading.lock().unwrap_or_else(|e| e.into_inner());
        let waiting = reading.remove(&self.key);
        drop(reading);
        drop(waiting);
    }
}

impl Level {
    /// Has what is there brought into memory; when the ticket has woken, look there. An error: nothing to wait for.
    pub fn fetch(self: &Arc<Self>, key: &[u8]) -> Result<(Ticket, Rc<Cell<Outcome>>), Outcome> {
        let now = self.second.moment().now;
        let number = number(&[key]);
        if self.lately.knows(number, now) {
            return Err(Outcome::Asked);
        }
        if let Some(why) = self.skips(now) {
            self.counts.skipped.fetch_add(1, Relaxed);
            return Err(why);
        }
        let outcome = Rc::new(Cell::new(Outcome::Asked));
        let mut reading = self.reading.lock().unwrap_or_else(|e| e.into_inner());
        let asking = reading.len();
        match reading.get_mut(&number) {
            Some(waiting) if waiting.len() < WAITING => {
                let (tell, told) = oneshot::channel();
                waiting.push(tell);
                let wait = self.wait();
                let ticket: Ticket = Box::pin(async move { _ = timeout(wait, told).await });
                Ok((ticket, outcome))
            }
            None if asking < ASKING => {
                reading.insert(number, Vec::new());
                drop(reading);
                let leading = Leading {
                    level: self.clone(),
                    key: number,
                };
                let ticket: Ticket = Box::pin(lead(leading, key.into(), outcome.clone()));
                Ok((ticket, outcome))
            }
            _ => {
                self.counts.skipped.fetch_add(1, Relaxed);
                Err(Outcome::Slow)
            }
        }
    }

    fn skips(&self, now: Nanos) -> Option<Outcome> {
        match (self.second.is_usable(now), self.rests(now)) {
            (false, _) => Some(Outcome::Away),
            (true, true) => Some(Outcome::Slow),
            (true, false) => None,
        }
    }

    /// The same, done at once by the caller, who may wait. Whether something was there.
    pub fn fetch_here(&self, key: &[u8]) -> bool {
        if self.skips(self.second.moment().now).is_some() {
            return false;
        }
        self.watch(key);
        let (Some(engine), Some(stands)) = (self.second.engine.get(), self.stands()) else {
            return false;
        };
        let moment = self.second.moment();
        let stored = engine.fetch(stands.0, &self.name(key)).wait();
        stored.is_ok_and(|all| self.adopt(key, all, stands, moment))
    }

    fn stands(&self) -> Option<(u64, u64)> {
        let order = self.second.order();
        order.position().map(|p| (p.epoch, p.number))
    }
}

async fn lead(leading: Leading, key: Box<[u8]>, outcome: Rc<Cell<Outcome>>) {
    let level = &leading.level;
    // Changes count from before the moment at which the answers will be said to have come.
    level.watch(&key);
    let moment = level.second.moment();
    let (Some(engine), Some(stands)) = (level.second.engine.get(), level.stands()) else {
        return outcome.set(Outcome::Away);
    };
    let asked = engine.fetch(stands.0, &level.name(&key));
    outcome.set(match timeout(level.wait(), asked).await {
        Err(_) => {
            level.too_late();
            Outcome::Slow
        }
        Ok(Err(_)) => {
            level.counts.failed.fetch_add(1, Relaxed);
            Outcome::Away
        }
        Ok(Ok(all)) => {
            level.in_time();
            if !level.adopt(&key, all, stands, moment) {
                level.counts.misses.fetch_add(1, Relaxed);
                level.lately.note(leading.key, moment.now);
            }
            Outcome::Asked
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_not_there_is_known_for_a_moment() {
        let (table, at) = (Lately::default(), |ms: u64| Nanos(ms * 1_000_000));
        let (key, neighbour) = (7u64 << 32 | 5, 8u64 << 32 | 5);
        assert!(!table.knows(key, at(0)));
        table.note(key, at(10));
        assert!(table.knows(key, at(10)) && table.knows(key, at(109)));
        assert!(!table.knows(key, at(110)) && !table.knows(key, at(500_000)));
        assert!(!table.knows(neighbour, at(10)));
    }
}
