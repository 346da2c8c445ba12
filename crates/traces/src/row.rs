//! A trace as bytes for the disk: JSON, packed.

use crate::trace::Trace;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{Read, Write};

/// Longest that is unpacked, bytes: many times what a trace may hold.
const MOST: u64 = 8 << 20;

pub fn pack(trace: &Trace) -> Option<Vec<u8>> {
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
