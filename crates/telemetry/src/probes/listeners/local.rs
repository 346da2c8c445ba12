//! Whether an address is one of this machine's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Whether one could listen there; where `ip_nonlocal_bind` allows that for any address, by where the kernel would send from: what
/// goes to an address of its own leaves from that address. Nothing is sent. (What goes to a second address of a link leaves from
/// the first, so that the other way comes first.)
pub fn is_local(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let (any, family) = match ip {
        IpAddr::V4(_) => (IpAddr::from(Ipv4Addr::UNSPECIFIED), "ipv4"),
        IpAddr::V6(_) => (IpAddr::from(Ipv6Addr::UNSPECIFIED), "ipv6"),
    };
    let nonlocal = std::fs::read_to_string(format!("/proc/sys/net/{family}/ip_nonlocal_bind"));
    let told = nonlocal.is_ok_and(|t| t.trim() == "0");
    let bind = || told && UdpSocket::bind((ip, 0)).is_ok();
    let from = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        // Any port: it is not used.
        socket.connect((ip, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    ip.is_loopback() || ip.is_unspecified() || bind() || from().is_ok_and(|from| from == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_here_and_documentation_is_not() {
        for (at, here) in [
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", true),
            // Of RFC 5737 and RFC 3849: nobody has them.
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_local(at.parse().unwrap()), here, "{at}");
        }
    }

    #[test]
    fn the_address_that_we_send_from_is_here() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Without a route there is none to ask for.
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(is_local(socket.local_addr().unwrap().ip()));
        }
    }
}
