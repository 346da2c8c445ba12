//! Sessions in the store: read, touched and changed by compare-and-set. What races is the version of the data, not the
//! moment at which somebody was last seen.

use super::cookie::Id;
use super::core::{Wish, expires_ms, is_alive, touch_is_due};
use super::record::{Record, Session};
use config::sections::{Conflict, Session as Rules};
use std::sync::Arc;
use store::{Error, Etag, Kv, Precondition, Put};

/// Ids that a client may be behind.
const HOPS: usize = 3;
/// How often a change begins again that others overtake without touching the data.
const TRIES: usize = 16;

/// A session and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub key: String,
    pub etag: Etag,
    pub session: Session,
}

/// For a session that is new, or gets another id.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub id: Id,
    pub key: String,
    pub name: [u8; 16],
}

/// What the client's cookie becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cookie {
    Same,
    New(Id),
    Cleared,
}

#[derive(Debug)]
pub struct Done {
    pub cookie: Cookie,
    /// `None`: there is none any more.
    pub at: Option<At>,
}

#[derive(Debug)]
pub enum Failed {
    /// Another request has changed it meanwhile.
    Conflict,
    Store(Error),
}

/// The store, the rules and the time of one request.
#[derive(Clone)]
pub struct Table {
    pub kv: Arc<dyn Kv>,
    pub rules: Arc<Rules>,
    pub now_ms: u64,
}

impl Table {
    /// The session under `key`, wherever it has gone.
    pub async fn load(&self, mut key: String) -> Result<Option<At>, Error> {
        for _ in 0..=HOPS {
            let (kv, asked, now_ms) = (self.kv.clone(), key.clone(), self.now_ms);
            let read = tokio::task::spawn_blocking(move || kv.get(&asked, now_ms)).await;
            let stopped = |_| Err(Error::Stopped("the process ends".into()));
            let Some(entry) = read.unwrap_or_else(stopped)? else {
                return Ok(None);
            };
            match Record::read(&entry.value) {
                Some(Record::Live(session)) => {
                    let alive = is_alive(&self.rules, &session, self.now_ms);
                    return Ok(alive.then_some(At {
                        key,
                        etag: entry.etag,
                        session,
                    }));
                }
                Some(Record::Moved(to)) => key = to,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The same, and that its client was here, now and then. Tells whether that was written.
    pub async fn open(&self, key: String) -> Result<Option<(At, bool)>, Error> {
        let Some(at) = self.load(key).await? else {
            return Ok(None);
        };
        if !touch_is_due(&self.rules, &at.session, self.now_ms) {
            return Ok(Some((at, false)));
        }
        let seen = Session {
            seen_ms: self.now_ms,
            ..at.session.clone()
        };
        match self.put(&at.key, seen, Precondition::Is(at.etag)).await {
            Ok(at) => Ok(Some((at, true))),
            Err(Error::Stale { .. }) => Ok(self.load(at.key).await?.map(|at| (at, false))),
            // It was read: that is what counts.
            Err(_) => Ok(Some((at, false))),
        }
    }

    async fn put(&self, key: &str, session: Session, is: Precondition) -> Result<At, Error> {
        let put = Put {
            key: key.to_owned(),
            expires_ms: Some(expires_ms(&self.rules, &session)),
            value: Record::Live(session.clone()).write(),
            precondition: is,
        };
        let etag = self.kv.put(put, self.now_ms).await?;
        Ok(At {
            key: key.to_owned(),
            etag,
            session,
        })
    }

    /// Does what a response wants with the session that its request had.
    pub async fn change(self, at: Option<At>, wish: Wish, fresh: Fresh) -> Result<Done, Failed> {
        let at = match at {
            Some(at) if wish.end => {
                self.end(at).await?;
                None
            }
            at => at,
        };
        match (at, wish.set) {
            (None, Some(data)) => self.create(data, fresh).await,
            (None, None) => Ok(Done {
                cookie: if wish.end {
                    Cookie::Cleared
                } else {
                    Cookie::Same
                },
                at: None,
            }),
            (Some(at), data) if wish.rotate => self.rotate(at, data, fresh).await,
            (Some(at), data) => Ok(Done {
                cookie: Cookie::Same,
                at: Some(self.write(at, data).await?),
            }),
        }
    }

    async fn create(&self, data: Vec<u8>, fresh: Fresh) -> Result<Done, Failed> {
        let session = Session {
            name: fresh.name,
            born_ms: self.now_ms,
            seen_ms: self.now_ms,
            version: 1,
            data,
        };
        let at = self.put(&fresh.key, session, Precondition::Absent).await?;
        Ok(Done {
            cookie: Cookie::New(fresh.id),
            at: Some(at),
        })
    }

    /// Wherever it has gone meanwhile.
    async fn end(&self, at: At) -> Result<(), Failed> {
        for _ in 0..TRIES {
            let Some(now) = self.load(at.key.clone()).await? else {
                return Ok(());
            };
            let is = Precondition::Is(now.etag);
            match self.kv.delete(&now.key, is, self.now_ms).await {
                Err(Error::Stale { .. }) => {}
                Err(e) => return Err(Failed::Store(e)),
                Ok(_) => return Ok(()),
            }
        }
        Err(Failed::Conflict)
    }

    fn changed(&self, at: &At, data: &Option<Vec<u8>>) -> Session {
        Session {
            seen_ms: self.now_ms,
            version: at.session.version + 1,
            data: data.clone().unwrap_or_else(|| at.session.data.clone()),
            ..at.session.clone()
        }
    }

    /// The session as it is now, as long as nobody has changed its data since `version`.
    async fn again(&self, key: &str, version: u64) -> Result<At, Failed> {
        match self.load(key.to_owned()).await? {
            Some(now) if now.session.version == version => Ok(now),
            Some(now) if self.rules.conflict == Conflict::Last => Ok(now),
            _ => Err(Failed::Conflict),
        }
    }

    async fn write(&self, mut at: At, data: Option<Vec<u8>>) -> Result<At, Failed> {
        let version = at.session.version;
        for _ in 0..TRIES {
            let session = self.changed(&at, &data);
            match self.put(&at.key, session, Precondition::Is(at.etag)).await {
                Err(Error::Stale { .. }) => at = self.again(&at.key, version).await?,
                Err(e) => return Err(Failed::Store(e)),
                Ok(at) => return Ok(at),
            }
        }
        Err(Failed::Conflict)
    }

    /// The new id is good before the old one leads to it.
    async fn rotate(
        &self,
        mut at: At,
        data: Option<Vec<u8>>,
        fresh: Fresh,
    ) -> Result<Done, Failed> {
        let version = at.session.version;
        let new = self.changed(&at, &data);
        let new = self.put(&fresh.key, new, Precondition::Absent).await?;
        for _ in 0..TRIES {
            let moved = Put {
                key: at.key.clone(),
                value: Record::Moved(fresh.key.clone()).write(),
                precondition: Precondition::Is(at.etag),
                expires_ms: Some(self.now_ms + self.rules.grace.as_millis() as u64),
            };
            let failed = match self.kv.put(moved, self.now_ms).await {
                Ok(_) => {
                    return Ok(Done {
                        cookie: Cookie::New(fresh.id),
                        at: Some(new),
                    });
                }
                Err(Error::Stale { .. }) => match self.again(&at.key, version).await {
                    Ok(now) => {
                        at = now;
                        continue;
                    }
                    Err(failed) => failed,
                },
                Err(e) => Failed::Store(e),
            };
            let is = Precondition::Is(new.etag);
            let _ = self.kv.delete(&fresh.key, is, self.now_ms).await;
            return Err(failed);
        }
        Err(Failed::Conflict)
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        Failed::Store(e)
    }
}
