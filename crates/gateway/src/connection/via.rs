//! The line that says through whom a message came (RFC 9110 7.6.3).

use super::socket::Socket;
use super::text::Text;
use http1::Version;

/// Longest value, bytes; the name is at most 64.
pub(super) type Line = Text<80>;

/// What `name` has received in this version, or over HTTP/2.
pub(super) fn line(name: &str, version: Version, over_http2: bool) -> Line {
    let received: &[u8] = match (over_http2, version) {
        (true, _) => b"2.0 ",
        (_, Version::Http10) => b"1.0 ",
        (_, Version::Http11) => b"1.1 ",
    };
    let mut text = Line::default();
    text.push(received);
    text.push(name.as_bytes());
    text
}

pub(super) fn is_http2(socket: &Socket) -> bool {
    matches!(socket, Socket::Stream(_) | Socket::Call(_))
}
