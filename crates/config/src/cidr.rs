//! A network of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cidr {
    first: IpAddr,
    /// Leading bits that are the same in all of its addresses.
    bits: u8,
}

impl Cidr {
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Cidr, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let shape = || {
            format!(
                "`{text}` is not a network; write it like `10.0.0.0/8`, `2001:db8::/32` or `192.0.2.7`"
            )
        };
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|b| *b <= most).ok_or_else(shape)?,
        };
        let first = first(address, bits);
        match first == address {
            true => Ok(Cidr { first, bits }),
            false => Err(format!(
                "`{text}` has bits set behind its first {bits}; the network is `{first}/{bits}`"
            )),
        }
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first(address, self.bits) == self.first
    }

    /// Every address is in it.
    pub fn is_all(&self) -> bool {
        self.bits == 0
    }
}

/// The first address that has the same leading `bits`.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_own_addresses_and_no_other() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("::/0", "ff::", "1.2.3.4"),
        ] {
            let network = Cidr::parse(network).unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network} {inside}");
            assert!(
                !network.holds(outside.parse().unwrap()),
                "{network} {outside}"
            );
        }
    }

    #[test]
    fn a_slip_is_told_with_the_network_that_was_meant() {
        let meant = Cidr::parse("10.1.2.3/8").unwrap_err();
        assert!(meant.contains("`10.0.0.0/8`"), "{meant}");
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
            "10.0.0.0/",
        ] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }
}
