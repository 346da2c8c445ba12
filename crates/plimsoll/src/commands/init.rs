//! `plimsoll init`: writes a first config from the ports that are listening on this machine.

use crate::cli::InitArgs;
use crate::exit::{Exit, Failure};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ports that are not a team's service: remote shells, names, mail, time, databases and caches.
const NOT_HTTP: &[u16] = &[
    22, 25, 53, 111, 123, 631, 1433, 2379, 3306, 4222, 5432, 5672, 6379, 9092, 11211, 27017,
];

pub fn run(args: InitArgs) -> Result<Exit, Failure> {
    let found: BTreeSet<SocketAddr> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok())
        .flat_map(|text| listening(&text))
        .collect();
    let instances = if args.instance.is_empty() {
        candidates(&found)
    } else {
        args.instance.clone()
    };
    let Some((first, others)) = instances.split_first() else {
        return Err(
            Failure::new("nothing that could be a service listens on this machine").help(
                "start your service first, or name it: `plimsoll init --instance 127.0.0.1:3000`",
            ),
        );
    };
    let text = text(args.listen, *first, others);
    if args.out.exists() && !args.force {
        return Err(
            Failure::new(format!("{} exists already", args.out.display()))
                .help("use --force to overwrite it, or --out for another file"),
        );
    }
    std::fs::write(&args.out, &text)
        .map_err(|e| Failure::new(format!("{}: {e}", args.out.display())))?;
    print!("{text}");
    eprintln!(
        "wrote {}; next: `plimsoll check`, then `plimsoll run`",
        args.out.display()
    );
    Ok(Exit::Ok)
}

fn text(listen: SocketAddr, first: SocketAddr, others: &[SocketAddr]) -> String {
    let mut text = format!("listen: {listen}\nservices:\n  app:\n    instances: [\"{first}\"]\n");
    if !others.is_empty() {
        text.push_str("# Also listening; add those that belong here:\n");
        for o in others {
            text.push_str(&format!("#   {o}\n"));
        }
    }
    text
}

/// Listening addresses as a client on this machine would use them, likely services first.
fn candidates(found: &BTreeSet<SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = found
        .iter()
        .filter(|a| !NOT_HTTP.contains(&a.port()))
        .map(|a| {
            SocketAddr::new(
                if a.ip().is_unspecified() {
                    IpAddr::V4(Ipv4Addr::LOCALHOST)
                } else {
                    a.ip()
                },
                a.port(),
            )
        })
        .collect();
    all.sort_by_key(|a| (!(1024..32768).contains(&a.port()), a.port(), a.ip()));
    all.dedup();
    all
}

/// Sockets in state LISTEN (0A) of `/proc/net/tcp` or `tcp6`.
fn listening(table: &str) -> Vec<SocketAddr> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next()?;
            (fields.nth(1)? == "0A").then_some(())?;
            let (ip, port) = local.split_once(':')?;
            Some(SocketAddr::new(
                address(ip)?,
                u16::from_str_radix(port, 16).ok()?,
            ))
        })
        .collect()
}

/// Words of four bytes in the machine's order, as the kernel prints them.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |i: usize| {
        u32::from_str_radix(hex.get(i * 8..i * 8 + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0u8; 16];
            for i in 0..4 {
                bytes[i * 4..i * 4 + 4].copy_from_slice(&word(i)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n\
        0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000\n\
        1: 00000000:0016 00000000:0000 0A 00000000:00000000\n\
        2: 0100007F:A1B2 0100007F:0BB8 01 00000000:00000000\n";

    #[test]
    fn listening_services_are_found_and_others_left_out() {
        let found: BTreeSet<_> = listening(TABLE).into_iter().collect();
        assert_eq!(found.len(), 2);
        assert_eq!(candidates(&found), ["127.0.0.1:3000".parse().unwrap()]);
    }

    #[test]
    fn what_is_written_checks_without_a_finding() {
        let text = text(
            "127.0.0.1:8080".parse().unwrap(),
            "[::1]:3000".parse().unwrap(),
            &["127.0.0.1:4000".parse().unwrap()],
        );
        assert_eq!(config::check_text("p.yaml", &text).findings, [], "{text}");
    }
}
