//! What the kernel is asked about TCP connections, and its answers: messages of `NETLINK_SOCK_DIAG` (sock_diag(7)), as bytes.

use crate::probes::netlink::{self, Message, attribute, u32_at, u64_at};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
/// Asks for `struct tcp_info` beside each connection.
const WITH_INFO: u8 = 1 << 1;
const INFO: u16 = 2;
/// Established, and closed by one side.
const STATES: u32 = 1 << 1 | 1 << 4 | 1 << 8;
const MESSAGE: usize = 72;

pub const V4: u8 = 2;
pub const V6: u8 = 10;

/// One connection: its sums since it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Conn {
    /// The kernel's number of the socket; it is not given out again.
    pub cookie: u64,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub info: Info,
}

/// Of `struct tcp_info`: seconds and segments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Info {
    /// With something on its way; what follows is part of it.
    pub busy: f64,
    /// Held up by the receiver's window, and by the sender's own buffer.
    pub receiver: f64,
    pub buffer: f64,
    pub sent: f64,
    pub again: f64,
}

/// What a stretch of answers held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    pub connections: Vec<Conn>,
    pub done: bool,
    /// The kernel refused, with this error number.
    pub error: Option<i32>,
}

/// The request for every connection of a family.
pub fn request(family: u8) -> Vec<u8> {
    let mut question = vec![family, TCP, WITH_INFO, 0];
    question.extend_from_slice(&STATES.to_ne_bytes());
    // Which socket: any.
    question.resize(56, 0);
    netlink::dump(BY_FAMILY, &question)
}

/// Everything that one read from the socket brought.
pub fn answers(bytes: &[u8], out: &mut Answers) {
    for message in netlink::messages(bytes) {
        match message {
            Message::Done => out.done = true,
            Message::Refused(e) => out.error = Some(e),
            Message::Told(BY_FAMILY, body) => out.connections.extend(connection(body)),
            Message::Told(..) => {}
        }
    }
}

fn connection(m: &[u8]) -> Option<Conn> {
    let family = *m.first()?;
    let port = |at: usize| Some(u16::from_be_bytes(m.get(at..at + 2)?.try_into().ok()?));
    let cookie = u64::from(u32_at(m, 44)?) | u64::from(u32_at(m, 48)?) << 32;
    let (local, peer) = (address(m, 8, family)?, address(m, 24, family)?);
    Some(Conn {
        cookie,
        local: SocketAddr::new(local, port(4)?),
        peer: SocketAddr::new(peer, port(6)?),
        info: info(attribute(m.get(MESSAGE..)?, INFO)?)?,
    })
}

/// An address of version 4 in one of version 6 is the former.
fn address(m: &[u8], at: usize, family: u8) -> Option<IpAddr> {
    match family {
        V4 => {
            let b: [u8; 4] = m.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(b).into())
        }
        V6 => {
            let b: [u8; 16] = m.get(at..at + 16)?.try_into().ok()?;
            Some(Ipv6Addr::from(b).to_canonical())
        }
        _ => None,
    }
}

/// Linux 4.10 and later tell for how long what held a connection up.
fn info(t: &[u8]) -> Option<Info> {
    let micros = |at: usize| Some(u64_at(t, at)? as f64 / 1e6);
    Some(Info {
        busy: micros(168)?,
        receiver: micros(176)?,
        buffer: micros(184)?,
        sent: f64::from(u32_at(t, 136)?),
        again: f64::from(u32_at(t, 100)?),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::probes::netlink::tests::attributes;
    pub use crate::probes::netlink::tests::message;
    use crate::probes::netlink::{DONE, ERROR};

    /// An answer as the kernel writes it.
    pub fn answer(family: u8, cookie: u32, ports: (u16, u16), info: &Info) -> Vec<u8> {
        let mut m = vec![0; MESSAGE];
        m[0] = family;
        m[4..6].copy_from_slice(&ports.0.to_be_bytes());
        m[6..8].copy_from_slice(&ports.1.to_be_bytes());
        let ip: Vec<u8> = match family {
            V4 => vec![127, 0, 0, 1],
            _ => Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets().to_vec(),
        };
        m[8..8 + ip.len()].copy_from_slice(&ip);
        m[24..24 + ip.len()].copy_from_slice(&ip);
        m[44..48].copy_from_slice(&cookie.to_ne_bytes());
        let mut t = vec![0u8; 200];
        let mut put =
            |at: usize, v: f64| t[at..at + 8].copy_from_slice(&((v * 1e6) as u64).to_ne_bytes());
        put(168, info.busy);
        put(176, info.receiver);
        put(184, info.buffer);
        t[136..140].copy_from_slice(&(info.sent as u32).to_ne_bytes());
        t[100..104].copy_from_slice(&(info.again as u32).to_ne_bytes());
        // Another attribute comes first, of a length that is no multiple of four.
        m.extend(attributes(&[(8, vec![1]), (INFO, t)]));
        message(BY_FAMILY, &m)
    }

    #[test]
    fn answers_are_read_and_stubs_are_not_believed() {
        let told = Info {
            busy: 2.0,
            receiver: 1.5,
            buffer: 0.25,
            sent: 1000.0,
            again: 20.0,
        };
        let mut bytes = answer(V4, 7, (8080, 4000), &told);
        bytes.extend(answer(V6, 8, (8080, 4001), &told));
        bytes.extend(message(DONE, &[0; 4]));
        let mut all = Answers::default();
        answers(&bytes, &mut all);
        assert!(all.done && all.error.is_none());
        let local: Vec<String> = all
            .connections
            .iter()
            .map(|c| c.local.to_string())
            .collect();
        assert_eq!(local, ["127.0.0.1:8080", "127.0.0.1:8080"]);
        assert_eq!(
            (all.connections[1].info, all.connections[1].cookie),
            (told, 8)
        );
        for cut in 0..bytes.len() {
            answers(&bytes[..cut], &mut Answers::default());
            answers(&bytes[cut..], &mut Answers::default());
        }
        let mut refused = Answers::default();
        answers(&message(ERROR, &(-1i32).to_ne_bytes()), &mut refused);
        assert_eq!(refused.error, Some(1));
    }
}
