//! Reads a request path as segments, in the two ways in which upstreams do it.

use std::cmp::Ordering;

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    #[error("the path does not start with `/`")]
    NotAbsolute,
    #[error("the path has a malformed percent-encoding")]
    Encoding,
    #[error("the path has a byte that is not allowed in one")]
    Byte,
    #[error("the path has a `.` or `..` segment; send the path that it stands for")]
    DotSegment,
    #[error(
        "the path leads to different routes depending on whether `%2F`, `\\` or `;` separate segments"
    )]
    Ambiguous,
}

/// Whether `%2F`, `\` and `;` are data or structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Only `/` separates.
    Plain,
    /// Also `%2F`, `\` and `%5C` separate, and `;` ends a segment's name.
    Lenient,
}

/// What a first look at a path found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Something is percent-encoded.
    pub encoded: bool,
    /// The two readings may differ.
    pub two_ways: bool,
}

/// Checks the whole path (without query) once.
pub fn look(path: &[u8]) -> Result<Look, BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath::NotAbsolute);
    }
    let mut look = Look::default();
    let mut dots = false;
    let mut last = 0u8;
    let mut i = 0;
    while i < path.len() {
        match path[i] {
            b'%' => {
                let b = byte(&path[i..]).ok_or(BadPath::Encoding)?;
                look.encoded = true;
                match b {
                    0 => return Err(BadPath::Byte),
                    b'/' | b'\\' => look.two_ways = true,
                    b'.' => dots = true,
                    _ => {}
                }
                i += 2;
            }
            b'\\' | b';' => look.two_ways = true,
            b'.' => dots |= matches!(last, b'/' | b'\\') || look.encoded,
            0..=b' ' | b'#' | 127 => return Err(BadPath::Byte),
            _ => {}
        }
        last = path[i.min(path.len() - 1)];
        i += 1;
    }
    if dots && (has_dots(path, Reading::Plain) || has_dots(path, Reading::Lenient)) {
        return Err(BadPath::DotSegment);
    }
    Ok(look)
}

fn has_dots(path: &[u8], reading: Reading) -> bool {
    let mut rest = path;
    while let Some((segment, after)) = next(rest, reading) {
        if order(segment, b".").is_eq() || order(segment, b"..").is_eq() {
            return true;
        }
        rest = after;
    }
    false
}

/// The byte of a percent-encoding at the start of `text`.
fn byte(text: &[u8]) -> Option<u8> {
    let digit = |b: &u8| (*b as char).to_digit(16);
    Some((digit(text.get(1)?)? << 4 | digit(text.get(2)?)?) as u8)
}

/// Length of the separator at the start of `text`; 0: none.
#[inline]
fn separator(text: &[u8], reading: Reading) -> usize {
    match text[0] {
        b'/' => 1,
        b'\\' if reading == Reading::Lenient => 1,
        b'%' if reading == Reading::Lenient && matches!(byte(text), Some(b'/' | b'\\')) => 3,
        _ => 0,
    }
}

/// The next segment that is not empty, and what follows it.
#[inline]
pub fn next(path: &[u8], reading: Reading) -> Option<(&[u8], &[u8])> {
    let mut rest = path;
    loop {
        while !rest.is_empty() {
            match separator(rest, reading) {
                0 => break,
                n => rest = &rest[n..],
            }
        }
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        while end < rest.len() && separator(&rest[end..], reading) == 0 {
            end += 1;
        }
        let (mut segment, after) = rest.split_at(end);
        if reading == Reading::Lenient
            && let Some(cut) = segment.iter().position(|&b| b == b';')
        {
            segment = &segment[..cut];
        }
        if !segment.is_empty() {
            return Some((segment, after));
        }
        rest = after;
    }
}

/// Compares a segment, decoded on the way, with a literal.
pub fn order(segment: &[u8], literal: &[u8]) -> Ordering {
    let mut i = 0;
    let mut wanted = literal.iter();
    loop {
        match (segment.get(i), wanted.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(&b), Some(w)) => {
                let (b, step) = match b {
                    b'%' => (byte(&segment[i..]).unwrap_or(b'%'), 3),
                    b => (b, 1),
                };
                match b.cmp(w) {
                    Ordering::Equal => i += step,
                    other => return other,
                }
            }
        }
    }
}

/// Decodes a template's literal, so that `/caf%C3%A9` and `/café` are the same template.
pub fn decode(literal: &str) -> Box<[u8]> {
    let text = literal.as_bytes();
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        match (text[i], byte(&text[i..])) {
            (b'%', Some(b)) => {
                out.push(b);
                i += 3;
            }
            (b, _) => {
                out.push(b);
                i += 1;
            }
        }
    }
    out.into()
}
