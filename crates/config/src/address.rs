//! Where something listens: an address with a port, or a Unix socket of this machine (`unix:/run/app.sock`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest path of a Unix socket, bytes; one more is its end.
const LONGEST: usize = 107;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    Ip(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path).map(Address::Unix);
        }
        text.parse().map(Address::Ip).map_err(|_| {
            format!("`{text}` is not an address with a port; write it like `127.0.0.1:8080`, \"[::1]:8080\" or `unix:/run/app.sock`")
        })
    }
}

impl Address {
    /// `None`: a Unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(at) => Some(*at),
            Address::Unix(_) => None,
        }
    }

    /// Nobody else than this machine gets there.
    pub fn is_local(&self) -> bool {
        self.ip().is_none_or(|at| at.ip().is_loopback())
    }

    /// `None`: an address with a port.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Ip(_) => None,
            Address::Unix(path) => Some(path),
        }
    }
}

fn socket(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(format!(
            "`unix:{path}` does not name a socket; write its whole path, like `unix:/run/app.sock`"
        ));
    }
    match path.len() <= LONGEST && !path.contains('\0') {
        true => Ok(path.into()),
        false => Err(format!(
            "`unix:{path}` is too long: a path has at most {LONGEST} bytes"
        )),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(at) => write!(f, "{at}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(at: SocketAddr) -> Address {
        Address::Ip(at)
    }
}

impl From<([u8; 4], u16)> for Address {
    fn from(at: ([u8; 4], u16)) -> Address {
        Address::Ip(at.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sockets_are_told_apart_and_written_as_they_were_read() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/run/app.sock"] {
            let address = text.parse::<Address>().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.ip().is_none(), address.path().is_some());
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for bad in ["", "80", "unix:", "unix:run/app.sock", "unix:/run/", &long] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
