//! Version 1, a line of text: `PROXY TCP4 192.0.2.7 198.51.100.1 51000 443`.

use super::core::{Bad, Ends, Parsed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub const SIGNATURE: &[u8] = b"PROXY ";
/// With its line end.
const LONGEST: usize = 107;

/// `bytes` begin with the signature, or are the beginning of it.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Bad> {
    let line = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = line.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return match line.len() {
            LONGEST => Err(Bad::TooLong),
            _ => Ok(Parsed::Partial),
        };
    };
    match (line[end], line.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if line.len() == LONGEST => return Err(Bad::TooLong),
        (b'\r', None) => return Ok(Parsed::Partial),
        _ => return Err(Bad::Malformed),
    }
    Ok(Parsed::Whole {
        len: end + 2,
        ends: ends(&line[SIGNATURE.len()..end]).ok_or(Bad::Malformed)?,
    })
}

fn ends(line: &[u8]) -> Option<Option<Ends>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(None);
    }
    let mut address = || ip(family, words.next()?);
    let (from, to) = (address()?, address()?);
    let mut number = || port(words.next()?);
    let ends = Ends {
        from: SocketAddr::new(from, number()?),
        to: SocketAddr::new(to, number()?),
    };
    words.next().is_none().then_some(Some(ends))
}

fn ip(family: &str, word: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

/// Digits and nothing else, without zeros in front.
fn port(word: &str) -> Option<u16> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten()
}
