//! The thread that stores answers behind those who got them: a queue of bounded length and bytes.

use super::Level;
use super::change;
use crate::gate::Moment;
use crate::request::cache::disk::line::number;
use crate::request::cache::disk::record;
use crate::request::cache::entry::Entry;
use base::Nanos;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;
use store::second::Storing;

/// Answers that wait; their bytes are bounded beside, by route.
const QUEUE: usize = 1024;
/// Longest that an answer is kept, whatever it says.
const LONGEST: u64 = 7 * 24 * 3600;
/// For so long beyond its lifetime one is kept that can be confirmed: as long as its lifetime, within these bounds.
const TO_CONFIRM: std::ops::RangeInclusive<u64> = 60..=3600;

pub struct Job {
    pub level: Arc<Level>,
    pub key: Box<[u8]>,
    pub entry: Arc<Entry>,
    /// Epoch, and what had been heard.
    pub stands: (u64, u64),
    pub bytes: u64,
}

pub fn start() -> io::Result<SyncSender<Job>> {
    let (queue, jobs) = sync_channel::<Job>(QUEUE);
    let run = move || jobs.iter().for_each(Job::run);
    Builder::new().name("cache-share".into()).spawn(run)?;
    Ok(queue)
}

impl Job {
    fn run(self) {
        let level = self.level.clone();
        match self.storing(level.second.moment()) {
            Some(storing) => level.stored(storing),
            None => level.dropped(),
        }
        level.done(self.bytes);
    }

    fn storing(&self, moment: Moment) -> Option<Storing> {
        Some(Storing {
            epoch: self.stands.0,
            number: self.stands.1,
            key: self.level.name(&self.key),
            variant: variant(&self.entry),
            cells: change::cells(&self.key, &self.entry.groups),
            record: record::write(&self.key, std::slice::from_ref(&self.entry), moment)?,
            ttl: ttl(&self.entry, moment.now)?,
        })
    }
}

/// `None`: nobody could use it.
pub fn ttl(entry: &Entry, now: Nanos) -> Option<Duration> {
    let keep = &entry.keep;
    let left = keep.lifetime.saturating_sub(entry.age(now));
    let stale = match keep.never_stale {
        true => 0,
        false => keep.stale.max(keep.stale_if_error.unwrap_or(0)),
    };
    let to_confirm = match entry.has_version() {
        true => keep.lifetime.clamp(*TO_CONFIRM.start(), *TO_CONFIRM.end()),
        false => 0,
    };
    let seconds = left.saturating_add(stale.max(to_confirm)).min(LONGEST);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// What tells variants of one key apart.
fn variant(entry: &Entry) -> String {
    let mut all = Vec::new();
    for (name, value) in entry.keep.vary.iter().zip(&entry.selects) {
        all.extend_from_slice(name.as_bytes());
        all.push(value.is_some() as u8);
        all.extend_from_slice(value.as_deref().unwrap_or_default());
        all.push(0);
    }
    format!("{:016x}", number(&[&all]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::cache::core::Keep;

    #[test]
    fn it_is_kept_as_long_as_it_is_of_use() {
        let at = |keep: Keep, etag: bool, age: u64| {
            let entry = Entry {
                keep,
                etag: etag.then(|| "\"a\"".into()),
                ..Entry::default()
            };
            ttl(&entry, Nanos(age * 1_000_000_000)).map(|t| t.as_secs())
        };
        let keep = || Keep {
            lifetime: 10,
            ..Keep::default()
        };
        assert_eq!(at(keep(), false, 4), Some(6));
        assert_eq!(at(keep(), false, 10), None);
        assert_eq!(at(keep(), true, 4), Some(66));
        let stale = Keep {
            stale: 30,
            ..keep()
        };
        assert_eq!(at(stale.clone(), false, 4), Some(36));
        let never = Keep {
            never_stale: true,
            ..stale
        };
        assert_eq!(at(never, false, 4), Some(6));
        let for_ever = Keep {
            lifetime: u64::MAX,
            ..keep()
        };
        assert_eq!(at(for_ever, false, 0), Some(LONGEST));
    }

    #[test]
    fn absent_is_another_variant_than_empty() {
        let of = |value: Option<&[u8]>| {
            let entry = Entry {
                keep: Keep {
                    vary: vec!["accept-language".into()],
                    ..Keep::default()
                },
                selects: vec![value.map(<[u8]>::to_vec)],
                ..Entry::default()
            };
            variant(&entry)
        };
        assert_ne!(of(None), of(Some(b"")));
        assert_ne!(of(Some(b"de")), of(Some(b"en")));
    }
}
