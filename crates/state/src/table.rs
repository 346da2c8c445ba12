//! Values in the store, with the rules of their table.

use crate::PREFIX;
use crate::ask::{Ask, If, What};
use crate::say::{self, Answer, Value};
use config::sections::StateStore;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use store::{Entry, Error, Etag, Kv, Precondition, Put};

/// How often a condition that the store does not know is tried against one that changes.
const TRIES: usize = 5;

/// The values of one name.
pub struct Table {
    pub rules: StateStore,
    /// About how many there are.
    pub count: AtomicU64,
}

/// One request against the store.
pub struct Turn {
    pub kv: Arc<dyn Kv>,
    pub table: Arc<Table>,
    pub now_ms: u64,
}

impl Table {
    pub fn prefix(&self) -> String {
        format!("{PREFIX}{}/", self.rules.name)
    }
}

impl Turn {
    pub async fn answer(&self, ask: Ask, body: Vec<u8>) -> Answer {
        let key = format!("{}{}", self.table.prefix(), ask.key);
        let done = match ask.what {
            What::Get => self.get(key, &ask.is).await,
            What::Put { ttl, kind } => {
                let value = Value { kind, body }.write();
                self.put(key, &ask.is, value, ttl).await
            }
            What::Delete => self.delete(key, &ask.is).await,
        };
        done.unwrap_or_else(|e| say::failed(&e))
    }

    async fn read(&self, key: String) -> Result<Option<Entry>, Error> {
        let (kv, now_ms) = (self.kv.clone(), self.now_ms);
        let read = tokio::task::spawn_blocking(move || kv.get(&key, now_ms));
        let stopped = |_| Err(Error::Stopped("the process ends".into()));
        read.await.unwrap_or_else(stopped)
    }

    async fn get(&self, key: String, is: &If) -> Result<Answer, Error> {
        let Some(entry) = self.read(key).await? else {
            let none = say::problem(404, "state-none", "there is no such value");
            return Ok(match is {
                If::OneOf(_) | If::There => say::changed(None),
                _ => none,
            });
        };
        Ok(match is {
            If::OneOf(all) if !all.contains(&entry.etag) => say::changed(Some(entry.etag)),
            If::Absent => say::tagged(say::plain(StatusCode::NOT_MODIFIED), entry.etag),
            If::NoneOf(all) if all.contains(&entry.etag) => {
                say::tagged(say::plain(StatusCode::NOT_MODIFIED), entry.etag)
            }
            _ => match Value::read(&entry.value) {
                Some(value) => {
                    let left = entry.expires_ms.map(|t| t.saturating_sub(self.now_ms));
                    say::value(value, entry.etag, left)
                }
                None => say::problem(500, "state-damaged", "what is stored is damaged"),
            },
        })
    }

    /// What the store is asked to check. `Err`: the condition does not hold now.
    async fn precondition(
        &self,
        key: &str,
        is: &If,
    ) -> Result<Result<Precondition, Option<Etag>>, Error> {
        let simple = match is {
            If::Any => Some(Precondition::Any),
            If::Absent => Some(Precondition::Absent),
            If::OneOf(all) if all.len() == 1 => Some(Precondition::Is(all[0])),
            _ => None,
        };
        if let Some(simple) = simple {
            return Ok(Ok(simple));
        }
        let now = self.read(key.to_owned()).await?.map(|e| e.etag);
        let holds = match (is, now) {
            (If::There, Some(_)) => true,
            (If::OneOf(all), Some(etag)) => all.contains(&etag),
            (If::NoneOf(all), Some(etag)) => !all.contains(&etag),
            (If::NoneOf(_), None) => true,
            _ => false,
        };
        Ok(match (holds, now) {
            (false, now) => Err(now),
            (true, Some(etag)) => Ok(Precondition::Is(etag)),
            (true, None) => Ok(Precondition::Absent),
        })
    }

    /// Whether a condition was resolved by looking, so that a race is no answer yet.
    fn may_try_again(is: &If) -> bool {
        matches!(is, If::There | If::NoneOf(_))
    }

    async fn put(
        &self,
        key: String,
        is: &If,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Answer, Error> {
        let rules = &self.table.rules;
        // Who is first holds, unless somebody says what he has seen.
        let first = If::Absent;
        let is = match is {
            If::Any if rules.first_write_wins => &first,
            is => is,
        };
        let ttl = match (ttl, rules.ttl) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        };
        if self.table.count.load(Relaxed) >= rules.keys && self.read(key.clone()).await?.is_none() {
            let what = format!(
                "`{}` holds {} values, and no more at once",
                rules.name, rules.keys
            );
            return Ok(say::problem(507, "state-full", &what));
        }
        let expires_ms = ttl.map(|t| self.now_ms.saturating_add(t.as_millis() as u64));
        for _ in 0..TRIES {
            let precondition = match self.precondition(&key, is).await? {
                Ok(p) => p,
                Err(actual) => return Ok(say::changed(actual)),
            };
            let put = Put {
                key: key.clone(),
                value: value.clone(),
                precondition,
                expires_ms,
            };
            match self.kv.put(put, self.now_ms).await {
                Err(Error::Stale { .. }) if Turn::may_try_again(is) => {}
                Err(e) => return Err(e),
                Ok(etag) => {
                    if !matches!(precondition, Precondition::Is(_)) {
                        self.table.count.fetch_add(1, Relaxed);
                    }
                    return Ok(say::tagged(say::plain(StatusCode::NO_CONTENT), etag));
                }
            }
        }
        Ok(say::problem(
            409,
            "state-busy",
            "others change the value all the time; try again",
        ))
    }

    async fn delete(&self, key: String, is: &If) -> Result<Answer, Error> {
        for _ in 0..TRIES {
            let precondition = match self.precondition(&key, is).await? {
                Ok(p) => p,
                Err(actual) => return Ok(say::changed(actual)),
            };
            match self.kv.delete(&key, precondition, self.now_ms).await {
                Err(Error::Stale { .. }) if Turn::may_try_again(is) => {}
                Err(e) => return Err(e),
                Ok(true) => return Ok(say::plain(StatusCode::NO_CONTENT)),
                Ok(false) => return Ok(say::problem(404, "state-none", "there is no such value")),
            }
        }
        Ok(say::problem(
            409,
            "state-busy",
            "others change the value all the time; try again",
        ))
    }
}
