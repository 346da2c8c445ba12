//! Values: a hash each (value, etag, expiry), their names in an ordered set, and their expiries in another.
//!
//! Expiry is judged by the caller's clock; the server's own drops a value [`GRACE_MS`] later, whoever sweeps. Etags are
//! the server's time in microseconds where that has moved on, so that none is given out twice even after it lost data.

use super::script::Script;
use super::{Answer, Redis, odd};
use crate::embedded::successor;
use crate::{Ack, Entry, Error, Etag, Kv, MAX_ROWS, Precondition, Put};

/// How long the server keeps what has expired.
const GRACE_MS: u64 = 60_000;
/// Longest time to live that the server is told.
const LONGEST_MS: u64 = 10 * 365 * 24 * 3600 * 1000;
/// Names, and bytes, that one step of a scan looks at.
const STEP: usize = 64;
const STEP_BYTES: usize = 4 << 20;
/// Most values that one sweep removes: it holds the server's only thread.
const SWEPT: usize = 1000;

fn word(n: impl ToString) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn condition(precondition: Precondition) -> [Vec<u8>; 2] {
    match precondition {
        Precondition::Any => [word("any"), Vec::new()],
        Precondition::Absent => [word("absent"), Vec::new()],
        Precondition::Is(Etag(etag)) => [word("is"), word(etag)],
    }
}

/// What a change says: done, or the etag that is there instead.
fn changed(script: Script, key: String, answer: Answer) -> Result<u64, Error> {
    let read = || {
        let [done, what] = answer.fields()?;
        Some((done.number()? == 1, what))
    };
    let (done, what) = read().ok_or_else(|| odd(script.name()))?;
    match done {
        true => what.number().ok_or_else(|| odd(script.name())),
        false => Err(Error::Stale {
            key,
            actual: what.number().map(Etag),
        }),
    }
}

/// `None`: there is none, or it is something else.
fn entry(
    key: String,
    value: Answer,
    etag: &Answer,
    expires: &Answer,
    now_ms: u64,
) -> Option<Entry> {
    let expires_ms = match expires.text()?.as_str() {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    let entry = Entry {
        key,
        value: value.bytes()?,
        etag: Etag(etag.number()?),
        expires_ms,
    };
    expires_ms.is_none_or(|at| at > now_ms).then_some(entry)
}

impl Redis {
    /// Of a value, the names, the expiries and the etags.
    fn places(&self, key: &str) -> [String; 4] {
        let whole = |kind: &str| format!("{}:{kind}", self.prefix);
        [
            self.key("v", key),
            whole("names"),
            whole("expiries"),
            whole("etag"),
        ]
    }
}

impl Kv for Redis {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        let value = self.key("v", key);
        let words = ["HMGET", &value, "v", "e", "x"].map(|w| w.as_bytes().to_vec());
        let key = key.to_owned();
        let got = self.values.ask(None, 0, words.into(), move |answer| {
            let fields = answer.fields::<3>().ok_or_else(|| odd("HMGET"))?;
            let [value, etag, expires] = fields;
            Ok(entry(key, value, &etag, &expires, now_ms))
        });
        got.wait()
    }

    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag> {
        if let Err(e) = put.fits() {
            return Ack::ready(Err(e));
        }
        let places = self.places(&put.key);
        let [how, etag] = condition(put.precondition);
        let lives = |at: u64| at.saturating_sub(now_ms).saturating_add(GRACE_MS);
        let lives = put.expires_ms.map(lives).filter(|l| *l < LONGEST_MS);
        let arguments = vec![
            put.key.clone().into_bytes(),
            put.value,
            how,
            etag,
            put.expires_ms.map(word).unwrap_or_default(),
            word(now_ms),
            lives.map(word).unwrap_or_default(),
        ];
        self.values
            .run(Script::Put, &places, arguments, move |answer| {
                changed(Script::Put, put.key, answer).map(Etag)
            })
    }

    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        let key = key.to_owned();
        let places = self.places(&key);
        let [how, etag] = condition(precondition);
        let arguments = vec![key.clone().into_bytes(), how, etag, word(now_ms)];
        self.values
            .run(Script::Delete, &places[..3], arguments, move |answer| {
                changed(Script::Delete, key, answer).map(|was| was == 1)
            })
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        let limit = limit.min(MAX_ROWS);
        let [values, names, ..] = self.places("");
        let to = successor(prefix).map_or("+".into(), |end| format!("({end}"));
        let mut from = match after {
            Some(after) if after >= prefix => format!("({after}"),
            _ => format!("[{prefix}"),
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let most = STEP.min(limit - found.len());
            let arguments = vec![
                from.into_bytes(),
                to.clone().into_bytes(),
                word(now_ms),
                values.clone().into_bytes(),
                word(most),
                word(STEP_BYTES),
            ];
            let step = self.values.run(
                Script::Scan,
                std::slice::from_ref(&names),
                arguments,
                move |answer| step(answer, now_ms).ok_or_else(|| odd(Script::Scan.name())),
            );
            let (seen, last, entries) = step.wait()?;
            found.extend(entries);
            if seen == 0 {
                break;
            }
            from = format!("({last}");
        }
        Ok(found)
    }

    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        let [values, names, expiries, _] = self.places("");
        let arguments = vec![word(now_ms), word(limit.min(SWEPT)), values.into_bytes()];
        self.values
            .run(Script::Sweep, &[names, expiries], arguments, |answer| {
                let swept = answer.number().ok_or_else(|| odd(Script::Sweep.name()))?;
                Ok(swept as usize)
            })
    }
}

/// How many names were looked at, the last of them, and what lives.
fn step(answer: Answer, now_ms: u64) -> Option<(u64, String, Vec<Entry>)> {
    let [seen, last, all] = answer.fields()?;
    let mut entries = Vec::new();
    let mut fields = all.list()?.into_iter();
    while let (Some(name), Some(value), Some(etag), Some(expires)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    {
        entries.extend(entry(name.text()?, value, &etag, &expires, now_ms));
    }
    Some((seen.number()?, last.text()?, entries))
}
