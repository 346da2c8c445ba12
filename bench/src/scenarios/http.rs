//! As much HTTP/1.1 as the services and clients of the scenarios need: heads, and bodies with a length.

use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Longest head.
const MOST: usize = 64 * 1024;

/// A head that was read: its text, and how many bytes of a body follow.
pub struct Head {
    pub text: String,
    pub length: usize,
}

impl Head {
    /// The `n`th word of the first line.
    pub fn word(&self, n: usize) -> &str {
        let line = self.text.lines().next().unwrap_or("");
        line.split(' ').nth(n).unwrap_or("")
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let fields = self.text.lines().skip(1).filter_map(|l| l.split_once(':'));
        let mut found = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

/// Reads one head; what came beyond it stays in `bytes`. `None`: the peer closed before a whole head came.
pub async fn head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<Option<Head>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes.drain(..end + 4);
            let mut head = Head { text, length: 0 };
            head.length = (head.get("content-length"))
                .and_then(|v| v.parse().ok())
                .unwrap_or(0);
            return Ok(Some(head));
        }
        if bytes.len() > MOST {
            return Err(io::Error::other("a head without an end"));
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads away a body of this length.
pub async fn skip(stream: &mut TcpStream, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    while bytes.len() < length {
        if stream.read_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.drain(..length);
    Ok(())
}
