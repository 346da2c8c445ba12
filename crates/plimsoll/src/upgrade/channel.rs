//! What the two processes say to each other: one message per packet, with the sockets that belong to it.

use crate::exit::Failure;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Set in the environment of a process that is started to take over; its standard input is the channel.
pub const MARK: &str = "PLIMSOLL_TAKES_OVER";
/// Its value when the sockets are the service manager's, and when the first process opened them.
pub const MANAGED: &str = "managed";
pub const OWN: &str = "1";
/// Sockets in one packet; the system's limit is 253.
const SOCKETS: usize = 64;
/// Longest message, bytes.
const LONGEST: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// To the new process: listening sockets, the console's among them.
    Listening,
    /// To the new process: channels of older ones that still have connections.
    Older,
    /// To the new process: that was all of them.
    Begin,
    /// To the old process: all that can be tried out works.
    Ready,
    /// To the new process: the ledger is closed, go on.
    Yours,
    /// To the old process: connections are taken.
    Serving,
    /// To the old process: why not.
    Failed(String),
}

/// One end. It breaks when the process at the other end has ended.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Both ends.
    pub fn pair() -> std::io::Result<(Channel, OwnedFd)> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Channel { socket: ours }, theirs))
    }

    pub fn of(socket: OwnedFd) -> Channel {
        Channel { socket }
    }

    pub fn send(&self, message: &Message) -> Result<(), Failure> {
        self.send_with(message, &[])
    }

    /// As many packets as the sockets need.
    pub fn send_all(&self, message: &Message, sockets: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        for some in sockets.chunks(SOCKETS) {
            self.send_with(message, some)?;
        }
        Ok(())
    }

    fn send_with(&self, message: &Message, sockets: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let text = serde_json::to_vec(message).map_err(|e| Failure::new(e.to_string()))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(sockets));
        }
        let text = &text[..text.len().min(LONGEST)];
        // A process that has ended is an error, not a signal.
        let flags = SendFlags::NOSIGNAL;
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(text)], &mut control, flags).map_err(
            |e| match e {
                rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET => {
                    Failure::new("it has ended")
                }
                e => Failure::new(format!("the other process does not listen: {e}")),
            },
        )?;
        Ok(())
    }

    /// The next message, and the sockets that came with it.
    pub fn receive(&self, longest: Duration) -> Result<(Message, Vec<OwnedFd>), Failure> {
        set_socket_timeout(&self.socket, Timeout::Recv, Some(longest))
            .map_err(std::io::Error::from)?;
        let mut text = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = loop {
            match rustix::net::recvmsg(&self.socket, &mut parts, &mut control, flags) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    let s = longest.as_secs_f64();
                    return Err(Failure::new(format!("it said nothing for {s} s")));
                }
                // Reset: it ended before it read all that was sent.
                Err(rustix::io::Errno::CONNRESET) => return Err(Failure::new("it has ended")),
                Err(e) => return Err(std::io::Error::from(e).into()),
                Ok(got) if got.bytes == 0 => return Err(Failure::new("it has ended")),
                Ok(got) => break got.bytes,
            }
        };
        let sockets = control.drain().filter_map(|m| match m {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        let sockets = sockets.flatten().collect();
        let message = serde_json::from_slice(&text[..got])
            .map_err(|e| Failure::new(format!("it says what is not understood: {e}")))?;
        Ok((message, sockets))
    }

    /// Whether the process at the other end still lives. It must not have said anything.
    pub fn is_open(&self) -> bool {
        let mut byte = [0u8; 1];
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        matches!(
            rustix::net::recv(&self.socket, &mut byte, flags),
            Err(rustix::io::Errno::AGAIN)
        )
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn messages_arrive_in_order_with_all_of_their_sockets() {
        let (old, new) = Channel::pair().unwrap();
        let new = Channel::of(new);
        let sockets: Vec<_> = (0..100)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let borrowed: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        old.send_all(&Message::Listening, &borrowed).unwrap();
        old.send(&Message::Begin).unwrap();
        let mut got = Vec::new();
        loop {
            match new.receive(SOON).unwrap() {
                (Message::Listening, some) => got.extend(some),
                (message, none) => {
                    assert_eq!((message, none.len()), (Message::Begin, 0));
                    break;
                }
            }
        }
        let at = |l: &TcpListener| l.local_addr().unwrap();
        let got: Vec<_> = got.into_iter().map(|s| at(&TcpListener::from(s))).collect();
        assert_eq!(got, sockets.iter().map(at).collect::<Vec<_>>());
    }

    #[test]
    fn an_end_and_a_silence_are_told_apart() {
        let (old, new) = Channel::pair().unwrap();
        let silent = old.receive(Duration::from_millis(5)).unwrap_err();
        assert!(silent.what.contains("said nothing"), "{silent}");
        assert!(old.is_open());
        drop(new);
        assert!(!old.is_open());
        let ended = old.receive(SOON).unwrap_err();
        assert!(ended.what.contains("ended"), "{ended}");
        assert!(old.send(&Message::Begin).is_err());
    }
}
