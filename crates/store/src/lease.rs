//! `Lease`: something that one owner at a time has, until an expiry that it moves on while it lives.
//!
//! Each time it passes to another owner its fencing token goes up, for good: whoever is told of an older token refuses it.
//! An owner that asks at its own time `t` has the lease until `t + ttl` at most, measured on its own clock.

use crate::{Error, MAX_NAME};
use std::time::Duration;

/// Longest lease.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 3600);

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub owner: String,
    /// Of this holding: greater than that of every one before, the same as long as it is prolonged.
    pub token: u64,
    /// Until it expires.
    pub left: Duration,
}

/// Expiry is judged by the engine's own clock where it has one, else by `now_ms`, milliseconds since the Unix epoch.
/// Calls wait for the engine; they are for background work.
pub trait Lease: Send + Sync {
    /// Takes the lease if nobody has it, prolongs it if `owner` does; tells who has it now.
    fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
        now_ms: u64,
    ) -> Result<Holding, Error>;
    /// Gives it up; false: it was not `owner`'s under this token any more.
    fn release(&self, name: &str, owner: &str, token: u64, now_ms: u64) -> Result<bool, Error>;
    /// Who has it; `None`: nobody.
    fn holder(&self, name: &str, now_ms: u64) -> Result<Option<Holding>, Error>;
}

pub(crate) fn acceptable(name: &str, owner: &str, ttl: Duration) -> Result<(), Error> {
    // The name gets a prefix of its own in the store.
    let good = |text: &str| !text.is_empty() && text.len() <= MAX_NAME / 2;
    if !good(name) || !good(owner) {
        let most = MAX_NAME / 2;
        return Err(Error::Invalid(format!(
            "the names of a lease and of its owner are 1 to {most} bytes"
        )));
    }
    if ttl.is_zero() || ttl > MAX_LEASE {
        return Err(Error::Invalid("a lease lasts up to 24 h".into()));
    }
    Ok(())
}
