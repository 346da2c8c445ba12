//! The kernel's tables of sockets: which inodes listen at an address or a path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

const LISTEN: &str = "0A";

/// Inodes of the sockets in `table` that accept connections for `address` (bound to it or to any address).
pub fn listening(table: &str, address: SocketAddr) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let f: Vec<&str> = line.split_whitespace().take(10).collect();
            let (local, state, inode) = (f.get(1)?, f.get(3)?, f.get(9)?);
            let (ip, port) = endpoint(local)?;
            let same = ip.is_unspecified() || ip.to_canonical() == address.ip().to_canonical();
            (*state == LISTEN && port == address.port() && same)
                .then(|| inode.parse().ok())
                .flatten()
        })
        .collect()
}

/// Inodes of the Unix sockets in `table` that accept connections at `path`.
pub fn bound(table: &str, path: &Path) -> Vec<u64> {
    /// `__SO_ACCEPTCON`, as the kernel prints it.
    const ACCEPTS: &str = "00010000";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let f: Vec<&str> = line.split_whitespace().take(7).collect();
            let (flags, inode) = (f.get(3)?, f.get(6)?);
            // A path may hold spaces: it is the rest of the line.
            let at = line.split_once(&format!(" {inode} "))?.1;
            (*flags == ACCEPTS && Path::new(at) == path)
                .then(|| inode.parse().ok())
                .flatten()
        })
        .collect()
}

/// `0100007F:1F90`: the address in words of the machine's byte order, the port in hexadecimal.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |i: usize| {
        let v = u32::from_str_radix(ip.get(i * 8..i * 8 + 8)?, 16).ok()?;
        Some(v.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut all = [0u8; 16];
            for i in 0..4 {
                all[i * 4..i * 4 + 4].copy_from_slice(&word(i)?);
            }
            IpAddr::V6(Ipv6Addr::from(all))
        }
        _ => return None,
    };
    Some((ip, port))
}

/// The inode of a link such as `socket:[1161]`.
pub fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}
