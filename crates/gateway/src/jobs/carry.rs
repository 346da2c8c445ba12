//! How a request is kept in a job, sent again, and its answer kept for the client. Pure.

use super::outcome::{Answered, Wish};
use crate::exchange::Head;
use crate::retry::asked;
use http1::{Kind, Lines, Method, Piece, Status};
use std::io::Write;
use std::net::IpAddr;

/// Headers of a client that are not for the instance, or that deliveries bring themselves.
const OURS: [&str; 4] = [
    "prefer",
    "plimsoll-deliver-at",
    "plimsoll-deadline",
    "x-forwarded-for",
];
const OURS_BEGIN: &str = "plimsoll-job-";

/// Request line and header lines, without framing.
pub fn keep(head: &Head<'_>, client: IpAddr, secure: bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(512);
    // Whether the client spoke TLS decides what an instance is told of its address.
    kept.push(if secure { b'S' } else { b'P' });
    kept.extend_from_slice(head.method_name());
    kept.push(b' ');
    kept.extend_from_slice(head.path_and_query());
    kept.extend_from_slice(b" HTTP/1.1\r\n");
    let mut came_from = String::new();
    head.each_kept(|name, value| {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("x-forwarded-for") {
            came_from += &format!("{}, ", String::from_utf8_lossy(value));
        }
        let begins = name.len() >= OURS_BEGIN.len()
            && name[..OURS_BEGIN.len()].eq_ignore_ascii_case(OURS_BEGIN.as_bytes());
        let framing = matches!(
            http1::classify(name),
            Kind::ContentLength
                | Kind::Expect
                | Kind::ClientCert
                | Kind::XForwardedClientCert
                | Kind::PlimsollAttempt
        );
        if !begins && !framing && !OURS.iter().any(|o| is(o)) {
            line(&mut kept, name, value);
        }
    });
    came_from += &client.to_string();
    line(&mut kept, b"X-Forwarded-For", came_from.as_bytes());
    kept
}

/// A request that no client has sent, as `keep` has it. Names and values are those of headers.
pub fn made<'l>(
    method: &str,
    target: &str,
    lines: impl Iterator<Item = &'l (String, String)>,
) -> Vec<u8> {
    let mut kept = format!("P{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in lines {
        line(&mut kept, name.as_bytes(), value.as_bytes());
    }
    kept
}

/// Method and target of what `keep` wrote, for people.
pub fn request_line(kept: &[u8]) -> String {
    let line = kept.get(1..).unwrap_or_default();
    let end = line.windows(9).position(|w| w == b" HTTP/1.1").unwrap_or(0);
    String::from_utf8_lossy(&line[..end]).into_owned()
}

pub fn content_type(kept: &[u8]) -> Option<String> {
    let line = kept
        .split(|&b| b == b'\n')
        .find(|l| is_of(l, b"content-type:"))?;
    let value = String::from_utf8_lossy(&line[b"content-type:".len()..]);
    Some(value.trim().to_owned())
}

/// What `keep` wrote without the client's key: with another body it is not the request any more that the key was of.
pub fn without_key(kept: &[u8]) -> Vec<u8> {
    let lines = kept.split_inclusive(|&b| b == b'\n');
    let others = lines.filter(|l| !is_of(l, b"idempotency-key:"));
    others.flatten().copied().collect()
}

/// Whether a header line is of this name, in lower case and with its colon.
fn is_of(line: &[u8], name: &[u8]) -> bool {
    line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name)
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What a delivery says of itself.
pub struct Delivery<'a> {
    pub id: &'a str,
    pub attempt: u32,
    /// Seconds since the Unix epoch.
    pub enqueued_s: u64,
    pub expires_s: u64,
}

/// The request as it is sent, and whether its client spoke TLS. `None`: this is nothing that `keep` wrote.
pub fn send(kept: &[u8], payload: &[u8], d: &Delivery<'_>) -> Option<(Vec<u8>, bool)> {
    let (&first, head) = kept.split_first()?;
    let has_key = (head.split(|&b| b == b'\n')).any(|l| is_of(l, b"idempotency-key:"));
    let mut out = head.to_vec();
    let _ = write!(
        out,
        "Plimsoll-Job-Id: {}\r\nPlimsoll-Job-Attempt: {}\r\nPlimsoll-Job-Enqueued-At: {}\r\nPlimsoll-Job-Deadline: {}\r\n",
        d.id, d.attempt, d.enqueued_s, d.expires_s
    );
    if !has_key {
        let _ = write!(out, "Idempotency-Key: \"{}\"\r\n", d.id);
    }
    let bodiless = payload.is_empty() && (head.starts_with(b"GET ") || head.starts_with(b"HEAD "));
    if !bodiless {
        let _ = write!(out, "Content-Length: {}\r\n", payload.len());
    }
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out.extend_from_slice(payload);
    Some((out, first == b'S'))
}

/// An answer in the form in which it is kept: three digits, header lines, an empty line, the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub status: u16,
    pub lines: Vec<u8>,
    pub body: Vec<u8>,
}

impl Kept {
    pub fn write(&self) -> Vec<u8> {
        let mut out = format!("{:03}", self.status).into_bytes();
        out.extend_from_slice(&self.lines);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    pub fn read(text: &[u8]) -> Option<Kept> {
        let (status, rest) = text.split_at_checked(3)?;
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        let end = match rest.starts_with(b"\r\n") {
            true => 0,
            false => rest.windows(4).position(|w| w == b"\r\n\r\n")? + 2,
        };
        Some(Kept {
            status,
            lines: rest[..end].to_vec(),
            body: rest[end + 2..].to_vec(),
        })
    }
}

/// What came back of an errand. `tried`: an instance was reached.
pub fn answered(bytes: &[u8], method: Method, tried: bool) -> (Answered, Kept) {
    let (mut answered, mut kept) = (
        Answered {
            tried,
            ..Answered::default()
        },
        Kept::default(),
    );
    let limits = http1::Limits::default().unbounded_body();
    let mut lines = Lines::default();
    let mut rest = bytes;
    // Interim answers come before the one that counts.
    while let Ok(Status::Complete(head)) = http1::parse_response(rest, &limits, method, &mut lines)
    {
        let len = head.meta.len;
        if head.meta.is_interim() {
            rest = &rest[len..];
            continue;
        }
        (answered.status, kept.status) = (head.meta.status, head.meta.status);
        for (name, value, l) in head.fields.iter() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("plimsoll-job") {
                answered.wish = Wish::parse(value);
            } else if is("retry-after") {
                answered.retry_after = Some(asked(value));
            } else if is("plimsoll-reason") && !tried {
                answered.reason = String::from_utf8_lossy(value).into_owned();
            }
            if !l.hop && !matches!(l.kind, Kind::Connection | Kind::ContentLength) {
                line(&mut kept.lines, name, value);
            }
        }
        let mut body = http1::Body::new(head.meta.framing, &limits);
        kept.body = payload(&mut body, &rest[len..]);
        break;
    }
    (answered, kept)
}

/// As much of it as there is.
pub fn payload(body: &mut http1::Body, mut input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Ok((consumed, piece)) = body.decode(input) {
        match piece {
            Piece::Data(range) => out.extend_from_slice(&input[range]),
            Piece::More | Piece::End => break,
        }
        input = &input[consumed..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ListHead;

    #[test]
    fn a_request_is_sent_as_it_came_with_what_a_job_adds() {
        let head = ListHead::new(
            "POST",
            "/orders?a=1",
            &[
                ("Host", "shop"),
                ("Content-Length", "3"),
                ("Prefer", "respond-async"),
                ("X-Forwarded-For", "10.0.0.1"),
                ("Plimsoll-Job-Id", "forged"),
                ("Plimsoll-Attempt", "7"),
                ("Cookie", "c=1"),
            ],
        );
        let kept = keep(&Head::List(&head), [127, 0, 0, 1].into(), true);
        let delivery = Delivery {
            id: "1-ab",
            attempt: 2,
            enqueued_s: 10,
            expires_s: 20,
        };
        let (sent, secure) = send(&kept, b"abc", &delivery).unwrap();
        assert!(secure);
        let sent = String::from_utf8(sent).unwrap();
        assert_eq!(
            sent,
            "POST /orders?a=1 HTTP/1.1\r\nHost: shop\r\nCookie: c=1\r\nX-Forwarded-For: 10.0.0.1, 127.0.0.1\r\n\
             Plimsoll-Job-Id: 1-ab\r\nPlimsoll-Job-Attempt: 2\r\nPlimsoll-Job-Enqueued-At: 10\r\nPlimsoll-Job-Deadline: 20\r\n\
             Idempotency-Key: \"1-ab\"\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        );
        assert_eq!(send(b"", b"", &delivery), None);
    }

    #[test]
    fn an_answer_is_read_and_kept() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nRetry-After: 7\r\nPlimsoll-Job: retry\r\nX: 1\r\n\
                     Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let (a, kept) = answered(text, Method::Post, true);
        assert_eq!((a.status, a.wish), (503, Some(Wish::Retry)));
        assert_eq!(a.retry_after, Some(std::time::Duration::from_secs(7)));
        assert_eq!(kept.body, b"abc");
        let lines = String::from_utf8(kept.lines.clone()).unwrap();
        assert!(
            lines.contains("X: 1\r\n") && !lines.contains("chunked"),
            "{lines}"
        );
        assert_eq!(Kept::read(&kept.write()), Some(kept));
        let bare = Kept {
            status: 204,
            ..Kept::default()
        };
        assert_eq!(Kept::read(&bare.write()), Some(bare));
        let (none, _) = answered(b"", Method::Post, false);
        assert_eq!((none.status, none.tried), (0, false));
        assert_eq!(Kept::read(b"x"), None);
    }
}
