//! The decisions of coalescing: what a follower does next, and which keys are known to be worth no wait. Pure.

use base::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How a flight ended, for one who waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The cache holds an answer.
    Stored,
    /// The answer was for the leader alone: everyone asks for himself.
    Alone,
    /// The instance has failed the leader, and the one after it.
    Failed,
    /// The leader is gone or has failed: this one leads now.
    Lead,
    /// It took too long.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look in the cache; with nothing there that fits (another variant), wait once more.
    Look,
    /// Ask the instance, for oneself or for all.
    Go,
    Fail,
}

/// A request looks at most this often: each variant that `Vary` makes costs the others one wait.
pub const LOOKS: u8 = 3;
/// Leaders in a row that may fail before those who wait fail too: an instance in trouble gets no stampede.
pub const LEADERS: u8 = 2;

pub fn next(news: News) -> Next {
    match news {
        News::Stored => Next::Look,
        News::Alone | News::Lead | News::Late => Next::Go,
        News::Failed => Next::Fail,
    }
}

/// How long a key counts as not worth a wait; Varnish calls this hit-for-miss and takes the same time.
pub const REMEMBERED: Duration = Duration::from_secs(120);

/// Keys whose answers could not be stored. A fixed table: of two keys in one cell the newer is known, and who is
/// forgotten costs others one wait.
#[derive(Debug)]
pub struct Solitary {
    /// The upper half of the key, and the second until which it counts.
    cells: Box<[AtomicU64]>,
}

const CELLS: usize = 1 << 12;

impl Default for Solitary {
    fn default() -> Self {
        Solitary {
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Solitary {
    pub fn remember(&self, key: u64, now: Nanos) {
        let until = (now + REMEMBERED).0 / 1_000_000_000;
        self.cell(key)
            .store(key >> 32 << 32 | until & u64::from(u32::MAX), Relaxed);
    }

    pub fn knows(&self, key: u64, now: Nanos) -> bool {
        let cell = self.cell(key).load(Relaxed);
        let until = cell & u64::from(u32::MAX);
        cell >> 32 == key >> 32 && now.0 / 1_000_000_000 < until
    }

    fn cell(&self, key: u64) -> &AtomicU64 {
        &self.cells[key as usize % CELLS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_two_minutes_and_a_neighbour_is_not_taken_for_it() {
        let (table, at) = (Solitary::default(), |s: u64| Nanos(s * 1_000_000_000));
        let (key, neighbour) = (7u64 << 32 | 5, 8u64 << 32 | 5);
        assert!(!table.knows(key, at(1)));
        table.remember(key, at(1));
        assert!(table.knows(key, at(120)) && !table.knows(key, at(121)));
        assert!(!table.knows(neighbour, at(1)));
        table.remember(neighbour, at(1));
        assert!(!table.knows(key, at(1)) && table.knows(neighbour, at(1)));
    }
}
