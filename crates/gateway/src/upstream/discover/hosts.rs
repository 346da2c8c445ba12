//! The two files of the host that say where names are: /etc/hosts, and whom to ask.

use std::net::{IpAddr, SocketAddr};

/// Servers that are asked; the system's own resolver takes three as well.
const SERVERS: usize = 3;

/// The addresses of `name` in the text of /etc/hosts.
pub fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let fields = text.lines().map(|line| {
        let line = line.split('#').next().unwrap_or("");
        line.split_whitespace()
    });
    let here = fields.filter_map(|mut fields| {
        let address = fields.next()?.parse().ok()?;
        fields
            .any(|n| n.eq_ignore_ascii_case(name))
            .then_some(address)
    });
    here.collect()
}

/// The servers in the text of /etc/resolv.conf.
pub fn servers(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = fields
            .next()
            .filter(|f| *f == "nameserver")
            .and(fields.next())?;
        Some(SocketAddr::new(address.parse().ok()?, 53))
    });
    named.take(SERVERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read_as_people_write_them() {
        let hosts = "127.0.0.1 localhost  # us\n::1\tlocalhost ip6\n# 10.0.0.1 app\n10.0.0.2 App.internal app\nrubbish\n";
        assert_eq!(in_hosts(hosts, "localhost").len(), 2);
        assert_eq!(
            in_hosts(hosts, "app.internal"),
            [IpAddr::from([10, 0, 0, 2])]
        );
        assert!(in_hosts(hosts, "us").is_empty());
        let conf = "search a b\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver ::1\n#nameserver 1.1.1.1\n";
        let at = |a: &str| a.parse::<SocketAddr>().unwrap();
        assert_eq!(servers(conf), [at("10.0.0.53:53"), at("[::1]:53")]);
    }
}
