//! The line that says through whom a message came (RFC 9110 7.6.3).

use super::socket::Socket;
use super::text::Text;
use http1::Version;

/// Longest value, bytes; the name is at most 64.
pub(super) type Line = Text<80>;

/// What `name` has received in this version, over this socket.
pub(super) fn line(name: &str, version: Version, over: &Socket) -> Line {
    let received: &[u8] = match (over, version) {
        (Socket::Stream(_) | Socket::Call(_), _) => b"2.0 ",
        (_, Version::Http10) => b"1.0 ",
        (_, Version::Http11) => b"1.1 ",
    };
    let mut text = Line::default();
    text.push(received);
    text.push(name.as_bytes());
    text
}
