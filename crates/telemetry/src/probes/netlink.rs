//! The kernel's netlink sockets (netlink(7)): a question, and its answers as bytes.

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, send, socket_with};

/// Of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
pub const ERROR: u16 = 2;
pub const DONE: u16 = 3;

/// What one message says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message<'a> {
    Done,
    /// The number of the error.
    Refused(i32),
    /// Its kind and what it carries.
    Told(u16, &'a [u8]),
}

/// A question for everything of a kind.
pub fn dump(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut m = Vec::with_capacity(HEADER + body.len());
    m.extend_from_slice(&((HEADER + body.len()) as u32).to_ne_bytes());
    m.extend_from_slice(&kind.to_ne_bytes());
    m.extend_from_slice(&DUMP.to_ne_bytes());
    // Number of the question, and who asks: the kernel fills it in.
    m.extend_from_slice(&1u32.to_ne_bytes());
    m.extend_from_slice(&0u32.to_ne_bytes());
    m.extend_from_slice(body);
    m
}

/// Asks; what comes back is read without waiting. `NETLINK_ROUTE` is the protocol that is none.
pub fn ask(protocol: Option<Protocol>, question: &[u8]) -> Result<OwnedFd, String> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)
        .map_err(|e| format!("no netlink socket: {e}; allow AF_NETLINK"))?;
    send(&socket, question, SendFlags::empty())
        .map_err(|e| format!("the kernel takes no question: {e}"))?;
    Ok(socket)
}

/// Everything that one read from the socket brought; what is cut off is left out.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (len, kind) = (u32_at(bytes, 0)? as usize, u16_at(bytes, 4)?);
            let body = bytes.get(HEADER..len)?;
            bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
            return Some(match kind {
                DONE => Message::Done,
                ERROR => match u32_at(body, 0).map(|e| (e as i32).wrapping_neg()) {
                    // No error but a receipt.
                    None | Some(0) => continue,
                    Some(e) => Message::Refused(e),
                },
                kind => Message::Told(kind, body),
            });
        }
    })
}

/// The first attribute of a kind.
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (len, kind) = (u16_at(bytes, 0)? as usize, u16_at(bytes, 2)?);
        let value = bytes.get(4..len)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(len.next_multiple_of(4)..)?;
    }
}

pub fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

pub fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut m = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        m.extend_from_slice(&kind.to_ne_bytes());
        m.resize(HEADER, 0);
        m.extend_from_slice(body);
        m
    }

    /// One after the other, each at a multiple of four.
    pub fn attributes(all: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut m = Vec::new();
        for (kind, value) in all {
            m.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
            m.extend_from_slice(&kind.to_ne_bytes());
            m.extend_from_slice(value);
            m.resize(m.len().next_multiple_of(4), 0);
        }
        m
    }

    #[test]
    fn stubs_end_it_and_receipts_are_no_errors() {
        let told = message(36, &[7, 0, 0, 0]);
        let refused = message(ERROR, &(-13i32).to_ne_bytes());
        let receipt = message(ERROR, &0u32.to_ne_bytes());
        let all = [told, receipt, refused, message(DONE, &[]), vec![9; 10]].concat();
        let found: Vec<Message> = messages(&all).collect();
        let expected = [
            Message::Told(36, &[7, 0, 0, 0]),
            Message::Refused(13),
            Message::Done,
        ];
        assert_eq!(found, expected);
        assert_eq!(messages(&[0; 64]).count(), 0, "a length of nothing");
        let a = attributes(&[(8, vec![1]), (2, vec![5; 4])]);
        assert_eq!(attribute(&a, 2), Some(&[5u8; 4][..]));
        assert_eq!((attribute(&a, 3), attribute(&[0; 8], 3)), (None, None));
    }
}
