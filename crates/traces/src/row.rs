//! A trace on the disk: two rows, one that a list needs and one with all of it, JSON, packed. And how much they take there.
//!
//! Both rows stand in the order of time, so that what is written in one second lies in a few pages.

use crate::trace::{Summary, Trace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

/// Longest that is unpacked, bytes: many times what a trace may hold.
const MOST: usize = 8 << 20;
/// What a row takes beside its bytes; a large one takes whole pages.
const ROW: u64 = 128;
/// The newest comes first, so each page that fills is split and its older half stays as it is: pages are half full.
const PAGES_FOR_FULL_ONES: u64 = 2;
const LARGE: u64 = 900;
const PAGE: u64 = 4096;

/// What every trace has in common, so that one packs as well as many. Whoever changes it changes `LIST` and `ALL` as well.
const DICTIONARY: &[u8] = include_bytes!("dictionary.json");
const LEVEL: i32 = 3;

/// Rows of the list, in the order of the newest first; then their traces.
pub const LIST: &str = "l/";
const ALL: &str = "t/";
/// Of files whose traces stand in the order of their ids.
pub const OLD: &str = "i/";

/// Nanoseconds since the Unix epoch, turned round so that the newest comes first; and which trace.
pub type Place = (u64, u128);

pub fn place(trace: &Trace) -> Place {
    (u64::MAX - trace.head.start, trace.id)
}

fn key(kind: &str, place: Place) -> String {
    format!("{kind}{:016x}-{:032x}", place.0, place.1)
}

/// Of the row that has all of a trace.
pub fn key_of(place: Place) -> String {
    key(ALL, place)
}

/// Of its row in the list, and of all of it.
pub fn keys(place: Place) -> [String; 2] {
    [LIST, ALL].map(|kind| key(kind, place))
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

/// What both rows take, as a row of the list says it.
pub fn takes(list: &[u8]) -> Option<u32> {
    let bytes = list.get(..4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Makes rows.
pub struct Packer(Compressor<'static>);

impl Packer {
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> io::Result<Packer> {
        Compressor::with_dictionary(LEVEL, DICTIONARY).map(Packer)
    }

    pub fn rows(&mut self, trace: &Trace) -> Option<Rows> {
        let list = self.pack(&trace.summary())?;
        let all = self.pack(trace)?;
        let row = |n: usize| match n as u64 {
            n if n > LARGE => {
                PAGES_FOR_FULL_ONES * (ROW + LARGE) + (n - LARGE).div_ceil(PAGE) * PAGE
            }
            n => PAGES_FOR_FULL_ONES * (ROW + n),
        };
        let takes = row(list.len() + 4) + row(all.len());
        let size = u32::try_from(takes).ok()?;
        Some(Rows {
            list: [&size.to_le_bytes()[..], &list].concat(),
            all,
            takes,
        })
    }

    fn pack(&mut self, what: &impl Serialize) -> Option<Vec<u8>> {
        let json = serde_json::to_vec(what).ok()?;
        let mut packed = self.0.compress(&json).ok()?;
        packed.shrink_to_fit();
        Some(packed)
    }
}

/// Reads rows.
pub struct Unpacker(Decompressor<'static>);

impl Unpacker {
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> io::Result<Unpacker> {
        Decompressor::with_dictionary(DICTIONARY).map(Unpacker)
    }

    /// Of its row in the list; `None`: it is damaged.
    pub fn summary(&mut self, list: &[u8]) -> Option<Summary> {
        self.unpack(list.get(4..)?)
    }

    /// Of the row that has all of it; `None`: it is damaged.
    pub fn trace(&mut self, all: &[u8]) -> Option<Trace> {
        self.unpack(all).map(Trace::weighed)
    }

    fn unpack<T: DeserializeOwned>(&mut self, bytes: &[u8]) -> Option<T> {
        let json = self.0.decompress(bytes, MOST).ok()?;
        serde_json::from_slice(&json).ok()
    }
}
