//! A record of a data file: all variants of one key, behind a checksum and the length. Ages go over as the time that has
//! passed on the calendar, because the clock of the process begins anew with it.

use super::super::core::Keep;
use super::super::entry::{Entry, Started};
use super::super::lines::Lines;
use super::super::range::Part;
use super::line::{part, take};
use crate::gate::Moment;
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Checksum and length.
const FRAME: usize = 8;
/// Goes up with every change of a record, a line or a key.
pub const FORMAT: u8 = 1;

/// Why a record is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Its length or checksum is not what was written.
    Damaged,
    /// Two keys have one number, and this is the other's.
    OtherKey,
    /// It was written later than now: the calendar was set back, so its age is not known.
    Future,
}

/// `None`: larger than a record can be.
pub fn write(key: &[u8], variants: &[impl AsRef<Entry>], moment: Moment) -> Option<Vec<u8>> {
    let room: u64 = variants.iter().map(|v| v.as_ref().bytes()).sum();
    let mut out = Vec::with_capacity(FRAME + key.len() + room as usize);
    out.extend_from_slice(&[0; FRAME]);
    out.extend_from_slice(&(moment.unix.as_millis() as u64).to_le_bytes());
    bytes(&mut out, key);
    count(&mut out, variants.len());
    for variant in variants {
        one(&mut out, variant.as_ref(), moment);
    }
    let length = u32::try_from(out.len() - FRAME).ok()?;
    let sum = crc32fast::hash(&out[FRAME..]);
    out[..4].copy_from_slice(&sum.to_le_bytes());
    out[4..FRAME].copy_from_slice(&length.to_le_bytes());
    Some(out)
}

fn one(out: &mut Vec<u8>, e: &Entry, moment: Moment) {
    let keep = &e.keep;
    let passed = moment.now.since(e.at).as_millis() as u64;
    out.extend_from_slice(&e.status.to_le_bytes());
    for n in [passed, keep.age, keep.lifetime, keep.stale] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    option(out, keep.stale_if_error, |out, n| {
        out.extend_from_slice(&n.to_le_bytes());
    });
    let purged = e.purged.load(Relaxed);
    for flag in [keep.never_stale, keep.validate, keep.guessed, purged] {
        out.push(flag as u8);
    }
    count(out, keep.withheld.len());
    keep.withheld.iter().for_each(|w| bytes(out, w));
    count(out, keep.vary.len());
    for (name, value) in keep.vary.iter().zip(&e.selects) {
        bytes(out, name.as_bytes());
        option(out, value.as_ref(), |out, v| bytes(out, v));
    }
    option(out, e.part.as_ref(), |out, p| {
        out.extend_from_slice(&p.first.to_le_bytes());
        out.extend_from_slice(&p.total.to_le_bytes());
        bytes(out, &p.asked);
    });
    bytes(out, &e.lines.0);
    bytes(out, &e.body);
}

fn count(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&(n as u32).to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn option<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(value.is_some() as u8);
    if let Some(value) = value {
        write(out, value);
    }
}

/// The variants of `key`, as if they had come at `moment`. `soft`: they were purged since.
pub fn read(record: &Bytes, key: &[u8], soft: bool, moment: Moment) -> Result<Vec<Entry>, Bad> {
    decode(record, key, soft, moment, None)
}

/// The same, written `since` ago as somebody else knows it.
pub fn read_since(
    record: &Bytes,
    key: &[u8],
    since: Duration,
    moment: Moment,
) -> Result<Vec<Entry>, Bad> {
    decode(record, key, false, moment, Some(since.as_millis() as u64))
}

fn decode(
    record: &Bytes,
    key: &[u8],
    soft: bool,
    moment: Moment,
    since: Option<u64>,
) -> Result<Vec<Entry>, Bad> {
    let (frame, body) = record.split_first_chunk::<FRAME>().ok_or(Bad::Damaged)?;
    let sum = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
    let length = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
    if length as usize != body.len() || crc32fast::hash(body) != sum {
        return Err(Bad::Damaged);
    }
    let mut rest = body;
    let written = u64::from_le_bytes(take(&mut rest).ok_or(Bad::Damaged)?);
    if part(&mut rest).ok_or(Bad::Damaged)? != key {
        return Err(Bad::OtherKey);
    }
    let by_calendar = || (moment.unix.as_millis() as u64).checked_sub(written);
    let since = since.or_else(by_calendar).ok_or(Bad::Future)?;
    let variants = number(&mut rest).ok_or(Bad::Damaged)?;
    // One alone keeps the memory that it was read into; of several each may outlive the others.
    let cut = |part: &[u8]| match variants {
        1 => record.slice_ref(part),
        _ => Bytes::copy_from_slice(part),
    };
    let mut all = Vec::new();
    while !rest.is_empty() {
        let entry = entry(&mut rest, cut, since, moment).ok_or(Bad::Damaged)?;
        entry.purged.fetch_or(soft, Relaxed);
        all.push(entry);
    }
    Ok(all)
}

fn entry(
    rest: &mut &[u8],
    cut: impl Fn(&[u8]) -> Bytes,
    since: u64,
    moment: Moment,
) -> Option<Entry> {
    let status = u16::from_le_bytes(take(rest)?);
    let passed = long(rest)?.saturating_add(since);
    let mut keep = Keep {
        // The whole seconds; the rest lies before `at`.
        age: long(rest)?.saturating_add(passed / 1000),
        lifetime: long(rest)?,
        stale: long(rest)?,
        stale_if_error: maybe(rest, long)?,
        never_stale: flag(rest)?,
        validate: flag(rest)?,
        guessed: flag(rest)?,
        ..Keep::default()
    };
    let purged = flag(rest)?;
    for _ in 0..number(rest)? {
        keep.withheld.push(part(rest)?.into());
    }
    let mut selects = Vec::new();
    for _ in 0..number(rest)? {
        keep.vary
            .push(std::str::from_utf8(part(rest)?).ok()?.to_owned());
        selects.push(maybe(rest, |r| part(r).map(<[u8]>::to_vec))?);
    }
    let of = maybe(rest, |r| {
        Some(Part {
            first: long(r)?,
            total: long(r)?,
            asked: part(r)?.into(),
        })
    })?;
    let lines = Lines(cut(part(rest)?));
    let body = cut(part(rest)?);
    let started = Started {
        at: moment.now - Duration::from_millis(passed % 1000),
        unix: moment.unix.as_secs(),
    };
    let mut entry = Entry::with(status, lines, keep, selects, started);
    entry.body = body;
    entry.part = of;
    *entry.purged.get_mut() = purged;
    Some(entry)
}

fn long(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

fn flag(rest: &mut &[u8]) -> Option<bool> {
    take::<1>(rest).map(|b| b == [1])
}

fn maybe<T>(rest: &mut &[u8], read: impl FnOnce(&mut &[u8]) -> Option<T>) -> Option<Option<T>> {
    match flag(rest)? {
        true => read(rest).map(Some),
        false => Some(None),
    }
}
