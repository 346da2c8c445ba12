//! Version 2, binary: sixteen bytes, addresses, and type-length-value records, which are skipped.

use super::core::{Bad, Ends, Parsed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

pub const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Longest header, its records included.
pub const LONGEST: usize = 4096;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// What the addresses are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    None,
    V4,
    V6,
    Unix,
}

impl Family {
    /// The lower half is the transport: none, a stream, or datagrams (of a balancer whose client speaks QUIC).
    fn of(byte: u8) -> Option<Family> {
        match byte {
            0x00 => Some(Family::None),
            0x11 | 0x12 => Some(Family::V4),
            0x21 | 0x22 => Some(Family::V6),
            0x31 | 0x32 => Some(Family::Unix),
            _ => None,
        }
    }

    /// Bytes of both addresses.
    fn size(self) -> usize {
        match self {
            Family::None => 0,
            Family::V4 => 12,
            Family::V6 => 36,
            Family::Unix => 216,
        }
    }
}

/// `bytes` begin with the signature, or are the beginning of it.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Bad> {
    let Some(&command) = bytes.get(12) else {
        return Ok(Parsed::Partial);
    };
    if !matches!(command, LOCAL | PROXY) {
        return Err(Bad::Unknown);
    }
    let Some(&family) = bytes.get(13) else {
        return Ok(Parsed::Partial);
    };
    // Who speaks for itself may say anything of itself: it is not looked at.
    let family = match command {
        LOCAL => Family::None,
        _ => Family::of(family).ok_or(Bad::Unknown)?,
    };
    let Some(&[high, low]) = bytes.get(14..FIXED) else {
        return Ok(Parsed::Partial);
    };
    let len = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if len > LONGEST {
        return Err(Bad::TooLong);
    }
    if len < FIXED + family.size() {
        return Err(Bad::Malformed);
    }
    let Some(block) = bytes.get(FIXED..len) else {
        return Ok(Parsed::Partial);
    };
    let (addresses, records) = block.split_at(family.size());
    if family != Family::None && !are_records(records) {
        return Err(Bad::Malformed);
    }
    let ends = ends(family, addresses);
    Ok(Parsed::Whole { len, ends })
}

fn ends(family: Family, block: &[u8]) -> Option<Ends> {
    let port = |at: usize| Some(u16::from_be_bytes(block.get(at..at + 2)?.try_into().ok()?));
    let v4 = |at: usize| <[u8; 4]>::try_from(block.get(at..at + 4)?).ok();
    let v6 = |at: usize| <[u8; 16]>::try_from(block.get(at..at + 16)?).ok();
    let (from, to) = match family {
        Family::None | Family::Unix => return None,
        Family::V4 => (
            (Ipv4Addr::from(v4(0)?), port(8)?).into(),
            (Ipv4Addr::from(v4(4)?), port(10)?).into(),
        ),
        Family::V6 => (
            (Ipv6Addr::from(v6(0)?), port(32)?).into(),
            (Ipv6Addr::from(v6(16)?), port(34)?).into(),
        ),
    };
    Some(Ends { from, to })
}

/// A type, a length of two bytes and that many more, over and over.
fn are_records(mut rest: &[u8]) -> bool {
    while let [_, high, low, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match after.get(len..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    rest.is_empty()
}

/// What an instance is told of a connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is Plimsoll's own: a check, or a fetch that no client waits for.
    Own,
    Client(Ends),
}

impl Told {
    pub fn write(&self, into: &mut Vec<u8>) {
        let Told::Client(Ends { from, to }) = *self else {
            return head(into, LOCAL, 0x00, 0);
        };
        match (from, to) {
            (SocketAddr::V4(a), SocketAddr::V4(b)) => {
                head(into, PROXY, 0x11, Family::V4.size());
                into.extend_from_slice(&a.ip().octets());
                into.extend_from_slice(&b.ip().octets());
            }
            _ => {
                head(into, PROXY, 0x21, Family::V6.size());
                into.extend_from_slice(&wide(from).octets());
                into.extend_from_slice(&wide(to).octets());
            }
        }
        into.extend_from_slice(&from.port().to_be_bytes());
        into.extend_from_slice(&to.port().to_be_bytes());
    }
}

fn head(into: &mut Vec<u8>, command: u8, family: u8, len: usize) {
    into.extend_from_slice(SIGNATURE);
    into.extend_from_slice(&[command, family]);
    into.extend_from_slice(&(len as u16).to_be_bytes());
}

fn wide(address: SocketAddr) -> Ipv6Addr {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped(),
        SocketAddr::V6(v6) => *v6.ip(),
    }
}
