//! What a header can say, and which version it is. Pure: the bytes so far are given again until they are enough.

use super::{v1, v2};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Both ends of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    pub from: SocketAddr,
    pub to: SocketAddr,
}

impl Ends {
    /// Of a connection without addresses.
    pub const UNKNOWN: Ends = {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Ends {
            from: nowhere,
            to: nowhere,
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// All bytes so far are a header's, and more of it must come.
    Partial,
    Whole {
        len: usize,
        /// `None`: it speaks for itself, or of a client without an address.
        ends: Option<Ends>,
    },
}

/// Why a connection is not served. The order is that of `Bad::NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It begins with something else.
    Missing,
    Malformed,
    /// A version, command or family that is not defined.
    Unknown,
    TooLong,
    /// It did not come in time.
    Late,
    /// The connection ended first.
    Gone,
}

impl Bad {
    pub const NAMES: &'static [&'static str] = &[
        "missing",
        "malformed",
        "unknown",
        "too-long",
        "late",
        "gone",
    ];
}

/// # Errors
/// As soon as what came cannot be the beginning of a header.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Bad> {
    if begins(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins(bytes, v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(Bad::Missing)
    }
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let n = bytes.len().min(with.len());
    bytes[..n] == with[..n]
}
