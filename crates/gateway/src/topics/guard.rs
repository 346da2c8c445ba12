//! Which addresses a webhook may be at: public ones, and what the config allows. Pure.
//!
//! A name is looked up first and only what it stands for is judged and connected to, so that it cannot mean another address a
//! moment later.

use config::Cidr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why it must not be called; `None`: it may.
pub fn refuses(address: IpAddr, allow: &[Cidr]) -> Option<&'static str> {
    let address = address.to_canonical();
    if allow.iter().any(|network| network.holds(address)) {
        return None;
    }
    match address {
        IpAddr::V4(a) => of_v4(a),
        IpAddr::V6(a) => of_v6(a),
    }
}

fn of_v4(a: Ipv4Addr) -> Option<&'static str> {
    let [first, second, third, _] = a.octets();
    match (first, second, third) {
        _ if a.is_loopback() => Some("an address of this host"),
        _ if a.is_private() => Some("a private address"),
        // Metadata of cloud providers are at 169.254.169.254 and at these two.
        _ if a.is_link_local() => Some("a link-local address"),
        (168, 63, 129) => Some("an address of the provider's metadata"),
        (100, 64..=127, _) => Some("an address shared by a provider's network"),
        (0, ..) => Some("an address of this network"),
        (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => {
            Some("a reserved address")
        }
        (192, 88, 99) => Some("a relay's address"),
        (224.., ..) => Some("a multicast or reserved address"),
        _ => None,
    }
}

fn of_v6(a: Ipv6Addr) -> Option<&'static str> {
    let s = a.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        _ if a.is_loopback() || a.is_unspecified() => Some("an address of this host"),
        // Addresses that stand for one of IPv4: NAT64, 6to4, and the old mapping.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0x64, 0xff9b, ..] => Some("an address of a local translator"),
        [0x2001, 0, ..] => Some("an address of a tunnel"),
        [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] => Some("a reserved address"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("a private address"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("a link-local address"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("a private address"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("a multicast address"),
        // What is public begins so.
        [first, ..] if first & 0xe000 == 0x2000 => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(text: &str) -> bool {
        refuses(text.parse().unwrap(), &[]).is_some()
    }

    #[test]
    fn only_public_addresses_are_called() {
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(!is_refused(public), "{public}");
        }
        for inner in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "4000::1",
        ] {
            assert!(is_refused(inner), "{inner}");
        }
    }

    #[test]
    fn what_is_allowed_is_called() {
        let allow = [Cidr::parse("10.1.0.0/16").unwrap()];
        let of = |text: &str| refuses(text.parse().unwrap(), &allow);
        assert_eq!(of("10.1.2.3"), None);
        assert_eq!(of("::ffff:10.1.2.3"), None);
        assert!(of("10.2.0.1").is_some());
    }
}
