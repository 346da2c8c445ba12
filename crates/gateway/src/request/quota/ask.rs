//! What is asked of the store: parts of a quota, and to take back what was not used.

use super::book::{At, Entry, Quotas};
use super::core::{Seen, Verdict, claim};
use super::scope::Scope;
use base::Nanos;
use config::sections::Period;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use store::{Error, Etag, Kv, Precondition, Put};

/// How often a count is changed that others change meanwhile.
const TRIES: usize = 16;

/// What one request wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub limit: u64,
    pub cost: u64,
    /// Most keys in a period.
    pub keys: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Go,
    Refuse,
    /// There are too many keys for a new one.
    Crowded,
}

async fn read(store: &Arc<dyn Kv>, at: &Arc<At>, now_ms: u64) -> Result<Seen, Error> {
    let (store, name) = (store.clone(), at.clone());
    let read = tokio::task::spawn_blocking(move || store.get(&name.name, now_ms));
    let stopped = |_| Err(Error::Stopped("the process ends".into()));
    let Some(entry) = read.await.unwrap_or_else(stopped)? else {
        return Ok(Seen::default());
    };
    let used = std::str::from_utf8(&entry.value).ok();
    match used.and_then(|t| t.parse().ok()) {
        Some(used) => Ok(Seen {
            used,
            etag: Some(entry.etag),
        }),
        None => Err(Error::Invalid(format!("`{}` holds no count", at.name))),
    }
}

async fn write(
    store: &Arc<dyn Kv>,
    at: &At,
    count: u64,
    etag: Option<Etag>,
    now_ms: u64,
) -> Result<Seen, Error> {
    let put = Put {
        key: at.name.clone(),
        value: count.to_string().into_bytes(),
        precondition: etag.map_or(Precondition::Absent, Precondition::Is),
        expires_ms: Some(at.expires_ms),
    };
    let etag = store.put(put, now_ms).await?;
    Ok(Seen {
        used: count,
        etag: Some(etag),
    })
}

/// Why a count was not changed, and whether it may have been after all.
struct Failed {
    why: Error,
    maybe_done: bool,
}

impl Failed {
    fn reading(why: Error) -> Failed {
        Failed {
            why,
            maybe_done: false,
        }
    }

    fn writing(why: Error) -> Failed {
        let maybe_done = matches!(why, Error::Away { .. } | Error::Stopped(_));
        Failed { why, maybe_done }
    }
}

/// Changes a count by compare-and-set, beginning with what is `known` of it. `decide` gives the new count, or `None` to leave
/// it; that is never decided by what is only remembered.
async fn change<T>(
    store: &Arc<dyn Kv>,
    at: &Arc<At>,
    mut known: Option<Seen>,
    now_ms: u64,
    decide: impl Fn(&Seen) -> (Option<u64>, T),
) -> Result<(Seen, T), Failed> {
    for _ in 0..TRIES {
        let was_known = known.is_some();
        let seen = match known.take() {
            Some(seen) => seen,
            None => read(store, at, now_ms).await.map_err(Failed::reading)?,
        };
        match decide(&seen) {
            (None, _) if was_known => continue,
            (None, said) => return Ok((seen, said)),
            (Some(count), said) => match write(store, at, count, seen.etag, now_ms).await {
                Ok(seen) => return Ok((seen, said)),
                Err(Error::Stale { .. }) => continue,
                Err(e) => return Err(Failed::writing(e)),
            },
        }
    }
    Err(Failed::reading(Error::Busy))
}

/// A part of the quota for a request, and for those that come after it. `now`: when it came.
pub async fn refill(
    store: Arc<dyn Kv>,
    entry: Arc<Entry>,
    scope: Arc<Scope>,
    period: Arc<Period>,
    wish: Wish,
    (now, now_ms): (Nanos, u64),
) -> Result<Said, Error> {
    let _turn = entry.asking.clone().lock_owned().await;
    let from_ms = period.from_ms;
    let (known, owed) = {
        let mut key = entry.key();
        // Who was asked for before may have brought enough.
        match key.decide(from_ms, wish.cost, now) {
            Verdict::Go => return Ok(Said::Go),
            Verdict::Refuse => return Ok(Said::Refuse),
            Verdict::Ask => (key.seen, key.owed()),
        }
    };
    let is_other = Arc::ptr_eq(&entry, &scope.others);
    let decide = |seen: &Seen| {
        let is_full = scope.keys.load(Relaxed) >= wish.keys;
        if seen.etag.is_none() && is_full && !is_other {
            return (None, None);
        }
        let (count, granted) = claim(wish.limit, seen.used, owed, wish.cost, entry.single);
        ((count != seen.used).then_some(count), Some(granted))
    };
    let at = entry.at(&scope, &period);
    let changed = change(&store, &at, known, now_ms, decide).await;
    let (seen, granted) = changed.map_err(|f| f.why)?;
    let Some(granted) = granted else {
        return Ok(Said::Crowded);
    };
    if known.and_then(|k| k.etag).is_none() && granted > 0 && seen.used == granted && !is_other {
        scope.keys.fetch_add(1, Relaxed);
    }
    let mut key = entry.key();
    key.taken(from_ms, seen, granted, owed, now);
    Ok(match key.decide(from_ms, wish.cost, now) {
        Verdict::Go => Said::Go,
        _ => Said::Refuse,
    })
}

/// Gives back what a key holds, and has counted what it owes.
pub async fn settle(store: &Arc<dyn Kv>, entry: &Entry, now_ms: u64) -> Result<(), Error> {
    let _turn = entry.asking.clone().lock_owned().await;
    let (from_ms, back, owed) = entry.key().settle();
    let at = entry.last_at().filter(|at| at.from_ms == from_ms);
    let Some(at) = at.filter(|at| at.expires_ms > now_ms && back != owed) else {
        return Ok(());
    };
    let decide = |seen: &Seen| {
        let count = seen.used.saturating_add(owed).saturating_sub(back);
        ((count != seen.used).then_some(count), ())
    };
    // It is read first: where the store is away, nothing is in doubt.
    match change(store, &at, None, now_ms, decide).await {
        Ok((seen, ())) => {
            entry.key().settled(from_ms, back, owed, seen);
            Ok(())
        }
        Err(failed) => {
            // What may have been given back is not used here as well; what may have been counted is counted again.
            let back = if failed.maybe_done { 0 } else { back };
            entry.key().unsettled(from_ms, back, owed);
            Err(failed.why)
        }
    }
}

/// Settles all, each for itself; gives up with the first that fails, the store is away then.
pub async fn settle_all(
    store: &Arc<dyn Kv>,
    entries: &[Arc<Entry>],
    now_ms: u64,
) -> Result<(), Error> {
    for entry in entries {
        match settle(store, entry, now_ms).await {
            Ok(()) | Err(Error::Busy) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Counts the keys of each quota anew.
pub async fn recount(quotas: &Quotas, store: &Arc<dyn Kv>, now_ms: u64) -> Result<(), Error> {
    for scope in quotas.scopes() {
        let Some(period) = scope.period(now_ms) else {
            continue;
        };
        let (store, prefix) = (store.clone(), scope.keys_of(&period));
        let count = tokio::task::spawn_blocking(move || store.count(&prefix, now_ms)).await;
        if let Ok(count) = count {
            scope.keys.store(count?, Relaxed);
        }
    }
    Ok(())
}
