//! Leases as values that never expire: who has it, until when, and the token. Changed by compare-and-set, on disk.

use super::Embedded;
use crate::lease::acceptable;
use crate::{Entry, Error, Holding, Kv, Lease, Precondition, Put};
use std::time::Duration;

/// What their keys begin with.
const PREFIX: &str = "lease/";
/// Times that a lost race is run again.
const TRIES: usize = 64;

struct Row {
    token: u64,
    /// Milliseconds since the Unix epoch.
    until_ms: u64,
    owner: String,
}

impl Row {
    fn read(entry: &Entry) -> Result<Row, Error> {
        let parse = || {
            let mut words = std::str::from_utf8(&entry.value).ok()?.splitn(3, ' ');
            Some(Row {
                token: words.next()?.parse().ok()?,
                until_ms: words.next()?.parse().ok()?,
                owner: words.next()?.to_owned(),
            })
        };
        let unreadable = || Error::Invalid(format!("the key `{}` holds no lease", entry.key));
        parse().ok_or_else(unreadable)
    }

    fn text(&self) -> Vec<u8> {
        format!("{} {} {}", self.token, self.until_ms, self.owner).into_bytes()
    }

    fn holding(self, now_ms: u64) -> Option<Holding> {
        let left_ms = self.until_ms.checked_sub(now_ms).filter(|left| *left > 0)?;
        Some(Holding {
            owner: self.owner,
            token: self.token,
            left: Duration::from_millis(left_ms),
        })
    }
}

impl Embedded {
    /// Decides on what is there, and writes it; again when somebody else was first.
    fn change<T>(
        &self,
        name: &str,
        now_ms: u64,
        decide: impl Fn(Option<Row>) -> (Option<Row>, T),
    ) -> Result<T, Error> {
        let key = format!("{PREFIX}{name}");
        let mut lost = Ok(());
        for _ in 0..TRIES {
            let entry = self.get(&key, now_ms)?;
            let precondition =
                (entry.as_ref()).map_or(Precondition::Absent, |e| Precondition::Is(e.etag));
            let (row, said) = decide(entry.as_ref().map(Row::read).transpose()?);
            let Some(row) = row else { return Ok(said) };
            let put = Put {
                precondition,
                ..Put::new(key.clone(), row.text())
            };
            match self.put(put, now_ms).wait() {
                Ok(_) => return Ok(said),
                Err(e) if e.is_conflict() => lost = Err(e),
                Err(e) => return Err(e),
            }
        }
        lost.and(Err(Error::Busy))
    }
}

impl Lease for Embedded {
    fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
        now_ms: u64,
    ) -> Result<Holding, Error> {
        acceptable(name, owner, ttl)?;
        let until_ms = now_ms.saturating_add(ttl.as_millis().max(1) as u64);
        self.change(name, now_ms, |row| {
            let before = row.as_ref().map_or(0, |r| r.token);
            let token = match row.and_then(|r| r.holding(now_ms)) {
                Some(theirs) if theirs.owner != owner => return (None, theirs),
                Some(ours) => ours.token,
                None => before + 1,
            };
            let owner = owner.to_owned();
            let holding = Holding {
                owner: owner.clone(),
                token,
                left: ttl,
            };
            (
                Some(Row {
                    token,
                    until_ms,
                    owner,
                }),
                holding,
            )
        })
    }

    fn release(&self, name: &str, owner: &str, token: u64, now_ms: u64) -> Result<bool, Error> {
        self.change(name, now_ms, |row| {
            let holding = row.and_then(|r| r.holding(now_ms));
            match holding.filter(|h| h.owner == owner && h.token == token) {
                Some(ours) => {
                    let owner = ours.owner;
                    (
                        Some(Row {
                            token,
                            until_ms: 0,
                            owner,
                        }),
                        true,
                    )
                }
                None => (None, false),
            }
        })
    }

    fn holder(&self, name: &str, now_ms: u64) -> Result<Option<Holding>, Error> {
        let entry = self.get(&format!("{PREFIX}{name}"), now_ms)?;
        let row = entry.as_ref().map(Row::read).transpose()?;
        Ok(row.and_then(|r| r.holding(now_ms)))
    }
}
