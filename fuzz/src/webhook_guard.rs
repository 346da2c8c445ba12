//! No webhook is at an address that is not public, however it is written: as IPv4, or within IPv6 by any of the ways that stand for it.

use gateway::topics::guard::refuses;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn is_inner(a: Ipv4Addr) -> bool {
    a.is_loopback()
        || a.is_private()
        || a.is_link_local()
        || a.is_unspecified()
        || a.is_broadcast()
        || a.is_multicast()
        || a.is_documentation()
}

/// The addresses of IPv6 that stand for it: mapped, compatible, NAT64, 6to4.
fn written(a: Ipv4Addr, rest: u16) -> [Ipv6Addr; 4] {
    let [b0, b1, b2, b3] = a.octets();
    let (high, low) = (u16::from_be_bytes([b0, b1]), u16::from_be_bytes([b2, b3]));
    [
        a.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, rest, 0, 0, 0, 1),
    ]
}

pub fn check(data: &[u8]) {
    let mut bytes = [0; 22];
    let n = data.len().min(bytes.len());
    bytes[..n].copy_from_slice(&data[..n]);
    let [a, b, c, d, v6 @ .., high, low] = bytes;
    let v4 = Ipv4Addr::new(a, b, c, d);
    let refused = refuses(IpAddr::V4(v4), &[]);
    assert!(!is_inner(v4) || refused.is_some(), "{v4}");
    for v6 in written(v4, u16::from_be_bytes([high, low])) {
        let stands = refuses(IpAddr::V6(v6), &[]);
        assert!(
            refused.is_none() || stands.is_some(),
            "{v4} is refused, and {v6} is not"
        );
    }
    let v6 = Ipv6Addr::from(v6);
    let inner = v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local();
    assert!(!inner || refuses(IpAddr::V6(v6), &[]).is_some(), "{v6}");
}
