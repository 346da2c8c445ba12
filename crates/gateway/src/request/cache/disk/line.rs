//! One line of a segment's index file: what came onto the disk, and what has changed since. The lines of all segments,
//! read in order, are the index; nothing else is written down of it.

use crate::hash::mix;

/// Longest key that is kept on disk; a request's head is no longer.
pub const LONGEST: usize = 1 << 20;
/// Length and checksum in front of every line.
const FRAME: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// All variants of a key, at a place of the data file beside this index file.
    Put(Put),
    /// The key's record is out of date: replaced, forgotten or purged.
    Drop { key: u64 },
    /// The key's record was purged softly.
    Soft { key: u64 },
    /// An unsafe request has changed all under a path.
    Path { path: u64 },
    /// An unsafe request is about to be sent; when nothing more is known of it, it has changed all under the path.
    Doubt { path: u64 },
    /// A service has changed all of a group.
    Group { group: u64 },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    pub offset: u64,
    /// Bytes of the record.
    pub bytes: u32,
    /// It was purged softly before it came here.
    pub soft: bool,
    /// As the shelf makes it: arm, host, 0, path and query.
    pub key: Box<[u8]>,
    pub groups: Vec<Box<str>>,
}

/// What a piece of an index file holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// A line, and the bytes that it takes.
    Line(Line, usize),
    /// The beginning of a line whose end was never written.
    Torn,
    /// Bytes that nobody has written so.
    Wrong,
}

impl Line {
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME]);
        match self {
            Line::Put(put) => {
                out.push(1);
                out.extend_from_slice(&put.offset.to_le_bytes());
                out.extend_from_slice(&put.bytes.to_le_bytes());
                out.push(put.soft as u8);
                text(out, &put.key);
                for group in &put.groups {
                    text(out, group.as_bytes());
                }
            }
            Line::Drop { key } => word(out, 2, *key),
            Line::Soft { key } => word(out, 3, *key),
            Line::Path { path } => word(out, 4, *path),
            Line::Doubt { path } => word(out, 5, *path),
            Line::Group { group } => word(out, 6, *group),
        }
        let length = (out.len() - start - FRAME) as u32;
        let sum = crc32fast::hash(&out[start + FRAME..]);
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + FRAME].copy_from_slice(&sum.to_le_bytes());
    }

    /// The line that `bytes` begin with; `None` at their end.
    pub fn read(bytes: &[u8]) -> Option<Read> {
        if bytes.is_empty() {
            return None;
        }
        let Some((frame, rest)) = bytes.split_first_chunk::<FRAME>() else {
            return Some(Read::Torn);
        };
        let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        let sum = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        if length > 2 * LONGEST {
            return Some(Read::Wrong);
        }
        let Some(body) = rest.get(..length) else {
            return Some(Read::Torn);
        };
        let line = decode(body).filter(|_| crc32fast::hash(body) == sum);
        Some(line.map_or(Read::Wrong, |l| Read::Line(l, FRAME + length)))
    }
}

fn word(out: &mut Vec<u8>, kind: u8, n: u64) {
    out.push(kind);
    out.extend_from_slice(&n.to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

fn decode(body: &[u8]) -> Option<Line> {
    let (&kind, mut rest) = body.split_first()?;
    if kind == 1 {
        let mut put = Put {
            offset: u64::from_le_bytes(take(&mut rest)?),
            bytes: u32::from_le_bytes(take(&mut rest)?),
            soft: take::<1>(&mut rest)? == [1],
            key: part(&mut rest)?.into(),
            groups: Vec::new(),
        };
        while !rest.is_empty() {
            put.groups
                .push(std::str::from_utf8(part(&mut rest)?).ok()?.into());
        }
        return Some(Line::Put(put));
    }
    let n = u64::from_le_bytes(take(&mut rest)?);
    Some(match kind {
        2 => Line::Drop { key: n },
        3 => Line::Soft { key: n },
        4 => Line::Path { path: n },
        5 => Line::Doubt { path: n },
        6 => Line::Group { group: n },
        _ => return None,
    })
}

/// The next `N` bytes.
pub fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

/// The next bytes, with their length before them.
pub fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

/// FNV-1a, mixed: the same on every start, because an index outlives its process. Two keys with one number cost a fill, because a record says
/// which key it is of.
pub fn number(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0]));
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325u64, |sum, b| {
        (sum ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(sum)
}

/// Of everything under a key's path, whatever its arm and query.
pub fn path_of(key: &[u8]) -> u64 {
    let (host, target) = halves(key);
    let end = target.iter().position(|&b| b == b'?');
    number(&[host, &target[..end.unwrap_or(target.len())]])
}

/// Host, and path with query, of a key.
pub fn halves(key: &[u8]) -> (&[u8], &[u8]) {
    let key = key.get(1..).unwrap_or(b"");
    let end = key.iter().position(|&b| b == 0).unwrap_or(key.len());
    (&key[..end], key.get(end + 1..).unwrap_or(b""))
}
