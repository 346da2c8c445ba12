//! The ledger: everything that was decided, in order, on disk before it takes effect.

mod event;
mod lane;
mod prior;
mod state;

pub use event::{Entry, Event};
pub use lane::{Lane, Started, Target};
pub use prior::Prior;
pub use state::{State, TrialRecord};

use base::Finding;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Expect, Log, NewEvent};

const STREAM: &str = "control";
const PAGE: usize = 1000;
/// Attempts at one change while others write too.
const ATTEMPTS: u32 = 16;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger cannot be used: {0}")]
    Store(#[from] store::Error),
    #[error(
        "the ledger cannot be read at {place}: {why}. Nothing was changed. It was written by a newer version, or \
         damaged: use that version, or move the ledger's file away to start from the configuration file alone"
    )]
    Unreadable { place: String, why: String },
    #[error("the ledger changes faster than this change can be written; try again")]
    Contended,
}

impl From<LedgerError> for Finding {
    fn from(e: LedgerError) -> Finding {
        Finding::error("ledger-unusable", e.to_string())
    }
}

/// An event about to be written.
#[derive(Clone, Debug)]
pub struct Note {
    pub who: String,
    pub why: String,
    pub event: Event,
}

impl Note {
    pub fn new(who: impl Into<String>, why: impl Into<String>, event: Event) -> Note {
        Note {
            who: who.into(),
            why: why.into(),
            event,
        }
    }
}

/// Shared by all loops; every write is a compare-and-set on the version it was decided on.
pub struct Ledger {
    log: Arc<dyn Log>,
    state: Mutex<Arc<State>>,
}

impl Ledger {
    /// Reads everything. An entry that cannot be read is an error: guessing the rest would undo or repeat changes.
    pub fn open(log: Arc<dyn Log>) -> Result<Ledger, LedgerError> {
        let ledger = Ledger {
            log,
            state: Mutex::default(),
        };
        ledger.catch_up()?;
        Ok(ledger)
    }

    /// The present.
    pub fn state(&self) -> Arc<State> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn catch_up(&self) -> Result<Arc<State>, LedgerError> {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = (**held).clone();
        loop {
            let page = self.log.read(STREAM, state.version + 1, PAGE)?;
            if page.is_empty() {
                break;
            }
            for record in page {
                state.apply(&decode(record)?);
            }
        }
        *held = Arc::new(state);
        Ok(held.clone())
    }

    /// Decides on the present and writes what was decided, or nothing. Decides again when someone else was first.
    pub fn transact<E: From<LedgerError>>(
        &self,
        now_ms: u64,
        mut decide: impl FnMut(&State) -> Result<Vec<Note>, E>,
    ) -> Result<Arc<State>, E> {
        for _ in 0..ATTEMPTS {
            let state = self.state();
            let notes = decide(&state)?;
            if notes.is_empty() {
                return Ok(state);
            }
            match self.write(&state, notes, now_ms) {
                Err(LedgerError::Store(e)) if e.is_conflict() => {
                    self.catch_up()?;
                }
                Err(e) => return Err(e.into()),
                Ok(()) => return Ok(self.catch_up()?),
            }
        }
        Err(LedgerError::Contended.into())
    }

    fn write(&self, state: &State, notes: Vec<Note>, now_ms: u64) -> Result<(), LedgerError> {
        let events = notes
            .into_iter()
            .map(|n| {
                let kind = n.event.kind().to_owned();
                let stored = event::Stored {
                    who: n.who,
                    why: n.why,
                    event: n.event,
                };
                let data = serde_json::to_vec(&stored).map_err(|e| LedgerError::Unreadable {
                    place: format!("a new `{kind}`"),
                    why: e.to_string(),
                })?;
                Ok(NewEvent {
                    id: String::new(),
                    kind,
                    at_ms: now_ms,
                    data,
                })
            })
            .collect::<Result<Vec<_>, LedgerError>>()?;
        self.log
            .append(STREAM, Expect::Version(state.version), events)
            .wait()?;
        Ok(())
    }

    /// The last `n` entries, newest first.
    pub fn history(&self, n: usize) -> Result<Vec<Entry>, LedgerError> {
        let n = n.min(PAGE) as u64;
        let from = self.log.version(STREAM)?.saturating_sub(n) + 1;
        let mut entries = self
            .log
            .read(STREAM, from, n as usize)?
            .into_iter()
            .map(decode)
            .collect::<Result<Vec<_>, _>>()?;
        entries.reverse();
        Ok(entries)
    }
}

fn decode(r: store::Record) -> Result<Entry, LedgerError> {
    let stored: event::Stored =
        serde_json::from_slice(&r.data).map_err(|e| LedgerError::Unreadable {
            place: format!("entry {} (`{}`)", r.version, r.kind),
            why: e.to_string(),
        })?;
    Ok(Entry {
        version: r.version,
        at_ms: r.at_ms,
        who: stored.who,
        why: stored.why,
        event: stored.event,
    })
}
