//! A stored response, and the answers that can be made of it.

use super::condition::{self, Version};
use super::control::Fields;
use super::core::Keep;
use super::lines::{Lines, is};
use super::range::{self, Part};
use super::status::Said;
use super::{date, targeted, vary};
use crate::exchange::Reply;
use base::Nanos;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What an entry costs beside its own bytes; it also bounds their number.
pub const OVERHEAD: u64 = 512;
/// How long one request may take to fetch what others get stale meanwhile.
const REFRESH: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Entry {
    pub status: u16,
    /// End-to-end fields, without `Age` and framing.
    pub lines: Lines,
    pub body: Bytes,
    /// What of the representation `body` is; `None`: all of it.
    pub part: Option<Part>,
    pub etag: Option<Bytes>,
    pub modified: Option<Bytes>,
    /// When it was generated, or else received; seconds since the Unix epoch.
    pub date: u64,
    pub language: Option<Bytes>,
    pub groups: Vec<Box<str>>,
    /// When its request started.
    pub at: Nanos,
    /// The same, in seconds since the Unix epoch.
    pub unix: u64,
    pub keep: Keep,
    /// What the request's fields named by `Vary` were.
    pub selects: Vec<Option<Vec<u8>>>,
    /// Until when somebody fetches it anew.
    pub refreshing: AtomicU64,
    /// It was purged softly: good while somebody fetches it anew, and instead of an error.
    pub purged: AtomicBool,
    /// Number of its record's line, when it came from disk; 0: it did not.
    pub record: u64,
}

/// When a response's request started, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    pub at: Nanos,
    pub unix: u64,
}

impl Entry {
    /// Without its body yet.
    pub fn new(status: u16, lines: Lines, keep: Keep, request: &impl Fields, at: Started) -> Entry {
        let selects = keep.vary.iter().map(|n| vary::select(request, n)).collect();
        Entry::with(status, lines, keep, selects, at)
    }

    /// The same, where it is known what the request's fields were.
    pub fn with(
        status: u16,
        lines: Lines,
        keep: Keep,
        selects: Vec<Option<Vec<u8>>>,
        at: Started,
    ) -> Entry {
        let lines = lines.dated(at.unix);
        let bytes = |name: &str| lines.get(name).map(|v| lines.0.slice_ref(v));
        let date = lines.get("date").and_then(|d| date::parse(d, at.unix));
        Entry {
            status,
            etag: bytes("etag"),
            modified: bytes("last-modified"),
            date: date.unwrap_or(at.unix),
            language: bytes("content-language"),
            groups: targeted::groups(&lines, "cache-groups"),
            at: at.at,
            unix: at.unix,
            selects,
            keep,
            lines,
            ..Entry::default()
        }
    }

    /// The same answer once more; lines and body are not copied.
    pub fn twin(&self) -> Entry {
        Entry {
            status: self.status,
            lines: self.lines.clone(),
            body: self.body.clone(),
            part: self.part.clone(),
            etag: self.etag.clone(),
            modified: self.modified.clone(),
            date: self.date,
            language: self.language.clone(),
            groups: self.groups.clone(),
            at: self.at,
            unix: self.unix,
            keep: self.keep.clone(),
            selects: self.selects.clone(),
            ..Entry::default()
        }
    }

    pub fn age(&self, now: Nanos) -> u64 {
        self.keep.age + now.since(self.at).as_secs()
    }

    /// Seconds for which it has not been fresh, as far as anybody knows; 0: it is.
    pub fn past(&self, now: Nanos) -> u64 {
        let past = (self.age(now) + 1).saturating_sub(self.keep.lifetime);
        past.max((self.keep.validate || self.purged.load(Relaxed)) as u64)
    }

    pub fn version(&self) -> Version<'_> {
        Version {
            etag: self.etag.as_deref(),
            modified: self.modified.as_deref(),
            date: self.date,
        }
    }

    /// The instance can be asked whether it is still good.
    pub fn has_version(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    /// Whether the request selects this variant: exactly, or by the language that it likes best.
    pub fn fits(&self, request: &impl Fields) -> Option<Fit> {
        let mut fit = Fit::Exact;
        for (name, value) in self.keep.vary.iter().zip(&self.selects) {
            if vary::select(request, name) == *value {
                continue;
            }
            let language = self
                .language
                .as_deref()
                .filter(|_| name == "accept-language");
            language.filter(|l| vary::speaks(request, l))?;
            fit = Fit::ByLanguage;
        }
        Some(fit)
    }

    pub fn same_variant(&self, other: &Entry) -> bool {
        self.keep.vary == other.keep.vary && self.selects == other.selects
    }

    pub fn bytes(&self) -> u64 {
        let selects: usize = self.selects.iter().flatten().map(Vec::len).sum();
        OVERHEAD + (self.lines.0.len() + selects + self.body.len()) as u64
    }

    /// True for one caller: it fetches the response anew while others get this one.
    pub fn claim(&self, now: Nanos) -> bool {
        let until = self.refreshing.load(Relaxed);
        let next = (now + REFRESH).0;
        let swap = || (self.refreshing).compare_exchange(until, next, Relaxed, Relaxed);
        now.0 >= until && swap().is_ok()
    }

    /// Whether the part that is stored holds what `range` asks for.
    pub fn covers(&self, range: &[u8]) -> bool {
        let Some(part) = &self.part else {
            return true;
        };
        *part.asked == *range || self.slice(part, range).is_some()
    }

    /// First and last byte within the representation of what `range` asks for, if the part holds it.
    fn slice(&self, part: &Part, range: &[u8]) -> Option<(u64, u64)> {
        let (first, last) = range::within(range::parse(range)?, part.total)?;
        let held = part.first..part.first + self.body.len() as u64;
        (held.contains(&first) && held.contains(&last)).then_some((first, last))
    }

    /// The reply to a request that this entry may answer.
    pub fn answer(&self, request: &impl Fields, get: bool, now: Nanos, said: Said<'_>) -> Reply {
        let (age, unix) = (self.age(now), self.unix + now.since(self.at).as_secs());
        let mut reply = self.form(request, get, unix);
        let lines = &mut reply.said;
        lines.extend_from_slice(b"Age: ");
        http1::write::decimal(lines, age);
        lines.extend_from_slice(b"\r\nCache-Status: ");
        said.write(lines, self.keep.lifetime as i64 - age as i64);
        lines.extend_from_slice(b"\r\n");
        reply
    }

    /// Whole, a part of it, or only that it is unchanged.
    fn form(&self, request: &impl Fields, get: bool, unix: u64) -> Reply {
        let good = (200..300).contains(&self.status);
        if good && condition::unchanged(request, self.version(), unix) {
            let of_body = |n: &[u8]| n.len() > 8 && n[..8].eq_ignore_ascii_case(b"content-");
            let kept = |n: &[u8]| !of_body(n) || is(n, "content-location");
            return Reply::stored(304, self.lines.only(kept).0, Bytes::new());
        }
        let whole = || Reply::stored(self.status, self.lines.0.clone(), self.body.clone());
        let wanted = request.single("range").filter(|_| get);
        let Some(wanted) = wanted else {
            return whole();
        };
        if let Some(part) = &self.part {
            return match self.slice(part, &wanted) {
                Some(slice) => self.partial(part.first, part.total, slice),
                None => whole(),
            };
        }
        let total = self.body.len() as u64;
        let range = range::parse(&wanted).filter(|_| self.status == 200);
        match range.filter(|_| condition::same_for_range(request, self.version(), unix)) {
            None => whole(),
            Some(range) => match range::within(range, total) {
                Some(slice) => self.partial(0, total, slice),
                None => Reply::stored(416, self.lines.only(|_| false).0, Bytes::new())
                    .with("Content-Range", format!("bytes */{total}")),
            },
        }
    }

    /// Of a body that begins at `offset` of the representation.
    fn partial(&self, offset: u64, total: u64, (first, last): (u64, u64)) -> Reply {
        let (from, to) = ((first - offset) as usize, (last - offset) as usize);
        let lines = self.lines.only(|n| !is(n, "content-range"));
        Reply::stored(206, lines.0, self.body.slice(from..=to))
            .with("Content-Range", format!("bytes {first}-{last}/{total}"))
    }

    /// Both parts as one, when they are of one version and nothing is missing between them.
    pub fn joined(mut self, other: &Entry) -> Entry {
        let (Some(mine), Some(theirs)) = (&self.part, &other.part) else {
            return self;
        };
        let strong = condition::strong(self.etag.as_deref());
        let same =
            strong.is_some() && strong == other.etag.as_deref() && mine.total == theirs.total;
        let end = |p: &Part, e: &Entry| p.first + e.body.len() as u64;
        let (my_end, their_end) = (end(mine, &self), end(theirs, other));
        if !same || my_end < theirs.first || their_end < mine.first {
            return self;
        }
        let first = mine.first.min(theirs.first);
        let mut body = vec![0; (my_end.max(their_end) - first) as usize];
        for (part, bytes) in [(theirs, &other.body), (mine, &self.body)] {
            let at = (part.first - first) as usize;
            body[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let total = mine.total;
        self.body = body.into();
        match self.body.len() as u64 == total {
            true => {
                self.status = 200;
                self.part = None;
                self.lines = self.lines.only(|n| !is(n, "content-range"));
            }
            // The question that brought it is not answered by all of it.
            false => {
                self.part = Some(Part {
                    first,
                    total,
                    asked: Box::default(),
                })
            }
        }
        self
    }
}

/// How a variant fits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Exact,
    ByLanguage,
}
