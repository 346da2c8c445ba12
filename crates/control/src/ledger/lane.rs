//! The compacted lane: scaling targets and ramp steps, of which only the latest matters.
//! They change often, so they live as one value per target and not as events.

use super::{Event, LedgerError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Kv, Precondition, Put};

const PREFIX: &str = "lane/";
/// Services and instances that may be scaled at once.
const MOST: usize = 1024;

/// How many instances a service should have beyond those in the file, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub service: String,
    pub extra: u32,
    /// The trial that set it, and what to go back to when that trial ends badly.
    pub trial: Option<String>,
    pub previous: u32,
    pub who: String,
    pub why: String,
    pub at_ms: u64,
}

/// A process that the driver started; enough to find it again, and to know that it is the same one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    pub service: String,
    pub address: std::net::SocketAddr,
    pub pid: u32,
    /// From `/proc/<pid>/stat`: a process id is used again, this pair is not.
    pub start_ticks: u64,
}

#[derive(Clone)]
pub struct Lane {
    kv: Arc<dyn Kv>,
}

impl Lane {
    pub fn new(kv: Arc<dyn Kv>) -> Lane {
        Lane { kv }
    }

    fn all<T: for<'a> Deserialize<'a>>(&self, part: &str) -> Result<Vec<T>, LedgerError> {
        self.kv
            .scan(&format!("{PREFIX}{part}/"), None, MOST, 0)?
            .into_iter()
            .map(|e| {
                serde_json::from_slice(&e.value).map_err(|why| LedgerError::Unreadable {
                    place: format!("key `{}`", e.key),
                    why: why.to_string(),
                })
            })
            .collect()
    }

    fn put<T: Serialize>(&self, key: String, value: &T) -> Result<(), LedgerError> {
        let value = serde_json::to_vec(value).map_err(|e| LedgerError::Unreadable {
            place: key.clone(),
            why: e.to_string(),
        })?;
        self.kv.put(Put::new(key, value), 0).wait()?;
        Ok(())
    }

    pub fn targets(&self) -> Result<Vec<Target>, LedgerError> {
        self.all("target")
    }

    /// Undoes (or keeps) what a trial set; doing it twice is the same as once. Returns what it undid, for the ledger.
    pub fn settle(&self, trial: &str, keep: bool) -> Result<Vec<Event>, LedgerError> {
        let mut undone = Vec::new();
        for mut target in self.targets()? {
            if target.trial.as_deref() != Some(trial) {
                continue;
            }
            target.trial = None;
            if !keep {
                undone.push(Event::Scaled {
                    service: target.service.clone(),
                    from: target.extra,
                    extra: target.previous,
                });
                target.extra = target.previous;
            }
            self.set_target(&target)?;
        }
        Ok(undone)
    }

    /// Zero extra removes the target.
    pub fn set_target(&self, target: &Target) -> Result<(), LedgerError> {
        let key = format!("{PREFIX}target/{}", target.service);
        if target.extra > 0 {
            return self.put(key, target);
        }
        self.kv.delete(&key, Precondition::Any, 0).wait()?;
        Ok(())
    }

    pub fn started(&self) -> Result<Vec<Started>, LedgerError> {
        self.all("started")
    }

    pub fn add_started(&self, s: &Started) -> Result<(), LedgerError> {
        self.put(started_key(s), s)
    }

    pub fn remove_started(&self, s: &Started) -> Result<(), LedgerError> {
        self.kv
            .delete(&started_key(s), Precondition::Any, 0)
            .wait()?;
        Ok(())
    }
}

fn started_key(s: &Started) -> String {
    format!("{PREFIX}started/{}/{}", s.service, s.address)
}
