//! A trace on the disk: two rows, one that a list needs and one with all of it, JSON, packed. And how much they take there.

use crate::trace::Trace;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{Read, Write};

/// Longest that is unpacked, bytes: many times what a trace may hold.
const MOST: u64 = 8 << 20;
/// What a row takes beside its bytes; a large one takes whole pages.
const ROW: u64 = 128;
const LARGE: u64 = 900;
const PAGE: u64 = 4096;

/// Rows of the list, in the order of the newest first; then their traces.
pub const LIST: &str = "i/";
const ALL: &str = "d/";

/// Nanoseconds since the Unix epoch, turned round so that the newest comes first; and which trace.
pub type Place = (u64, u128);

pub fn key_of(id: u128) -> String {
    format!("{ALL}{id:032x}")
}

pub fn place(trace: &Trace) -> Place {
    (u64::MAX - trace.head.start, trace.id)
}

pub fn key(place: Place) -> String {
    format!("{LIST}{:016x}-{:032x}", place.0, place.1)
}

/// `None`: it is no key of the list.
pub fn place_of(key: &str) -> Option<Place> {
    let (at, id) = key.strip_prefix(LIST)?.split_once('-')?;
    Some((
        u64::from_str_radix(at, 16).ok()?,
        u128::from_str_radix(id, 16).ok()?,
    ))
}

/// Both rows of a trace.
pub struct Rows {
    /// Begins with what both take.
    pub list: Vec<u8>,
    pub all: Vec<u8>,
    /// What both take on the disk, bytes.
    pub takes: u64,
}

pub fn rows(trace: &Trace) -> Option<Rows> {
    let json = serde_json::to_vec(&trace.summary()).ok()?;
    let all = pack(trace)?;
    let row = |n: usize| match n as u64 {
        n if n > LARGE => ROW + LARGE + (n - LARGE).div_ceil(PAGE) * PAGE,
        n => ROW + n,
    };
    let takes = row(json.len() + 4) + row(all.len());
    let size = u32::try_from(takes).ok()?;
    Some(Rows {
        list: [&size.to_le_bytes()[..], &json].concat(),
        all,
        takes,
    })
}

fn pack(trace: &Trace) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(trace).ok()?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&json).ok()?;
    packed.finish().ok()
}

/// `None`: it is damaged.
pub fn unpack(bytes: &[u8]) -> Option<Trace> {
    let mut json = Vec::new();
    let mut unpacked = DeflateDecoder::new(bytes).take(MOST);
    unpacked.read_to_end(&mut json).ok()?;
    let trace: Trace = serde_json::from_slice(&json).ok()?;
    Some(trace.weighed())
}
