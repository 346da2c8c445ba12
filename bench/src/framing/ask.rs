//! Sends one message through Plimsoll and asks the origin what it read.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer. A message that is not whole gets none, and is waited for so long.
const WAIT: Duration = Duration::from_millis(1500);

/// A request as an origin read it: method, target, body.
pub type Read1 = (String, String, String);

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// Status of Plimsoll's answer; `None`: it gave none.
    pub status: Option<u16>,
    /// What the origin read of it, without the request that comes after.
    pub read: Vec<Read1>,
    /// Whether a request that comes after was read as it was sent.
    pub next_is_whole: bool,
}

impl Came {
    /// Plimsoll or the origin said no, and nothing was done.
    pub fn is_refused(&self) -> bool {
        self.read.is_empty() && self.status.is_some_and(|s| s >= 400)
    }
}

/// Sends `message` through `front`, then another request, and asks `origin` for both.
pub fn ask(front: SocketAddr, origin: SocketAddr, message: &[u8]) -> Result<Came, String> {
    let status = status(&exchange(front, message)?);
    let next = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    exchange(front, next)?;
    let seen = exchange(
        origin,
        b"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )?;
    let mut read = list(&seen)?;
    let after = ("GET".to_owned(), "/next".to_owned(), String::new());
    let next_is_whole = read.pop() == Some(after);
    Ok(Came {
        status,
        read,
        next_is_whole,
    })
}

/// What comes back until the connection ends, the answer is whole, or nothing comes any more.
fn exchange(at: SocketAddr, message: &[u8]) -> Result<Vec<u8>, String> {
    let mut socket = TcpStream::connect(at).map_err(|e| format!("{at}: {e}"))?;
    socket
        .set_read_timeout(Some(WAIT))
        .map_err(|e| e.to_string())?;
    let _ = socket.write_all(message);
    let (mut all, mut room) = (Vec::new(), [0; 4096]);
    while !is_whole(&all) {
        match socket.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(n) => all.extend_from_slice(&room[..n]),
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    Ok(all)
}

/// Head and body, where a length is told; an interim answer is not the end.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is = name.eq_ignore_ascii_case("content-length");
        is.then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|n| body.len() >= n)
}

fn split(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    Some((head, &answer[end + 4..]))
}

fn status(answer: &[u8]) -> Option<u16> {
    let (head, _) = split(answer)?;
    head.split(' ').nth(1)?.parse().ok()
}

/// The list in the body of `/seen`, which may be chunked: it is the bytes from the first bracket to the last.
fn list(answer: &[u8]) -> Result<Vec<Read1>, String> {
    let (_, body) = split(answer).ok_or("the origin does not say what it has seen")?;
    let text = String::from_utf8_lossy(body);
    let (from, to) = (text.find('['), text.rfind(']'));
    let json = match (from, to) {
        (Some(from), Some(to)) if from < to => &text[from..=to],
        _ => return Err(format!("the origin says what is no list: {text}")),
    };
    serde_json::from_str(json).map_err(|e| format!("{e}: {json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_to_their_end() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\nabc"));
        assert_eq!(status(b"HTTP/1.1 501 Not\r\n\r\n"), Some(501));
        assert_eq!(status(b"HTTP/1.1 501 Not"), None);
        let seen = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n[[\"GET\",\"/\",\"\"]]\r\n0\r\n\r\n";
        assert_eq!(list(seen).unwrap(), [("GET".into(), "/".into(), "".into())]);
        assert!(list(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
