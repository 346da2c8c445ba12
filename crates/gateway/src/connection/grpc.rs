//! gRPC tells how a call went in a header or a trailer of an answer with status 200. What is learned from it is the
//! status that HTTP has for the same; the client gets what the instance said. Pure.

use crate::exchange::Reply;
use bytes::Bytes;
use http1::{Kind, RequestHead};
use std::time::Duration;

/// The name of the header or trailer.
pub(super) const STATUS: &[u8] = b"grpc-status";

/// gRPC-Web says it in headers, and we say it in trailers where we made it of gRPC.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    let kind = content_type.split(|b| b"+; ".contains(b)).next();
    let names = [
        "application/grpc",
        "application/grpc-web",
        "application/grpc-web-text",
    ];
    kind.is_some_and(|kind| {
        names
            .iter()
            .any(|n| kind.eq_ignore_ascii_case(n.as_bytes()))
    })
}

/// By the code's number; `None`: the call went well, or failed by no fault of the service.
pub(super) fn learned(code: &[u8]) -> Option<u16> {
    match code.trim_ascii() {
        // Unknown, internal, data loss.
        b"2" | b"13" | b"15" => Some(500),
        // Deadline exceeded.
        b"4" => Some(504),
        // Resource exhausted.
        b"8" => Some(429),
        // Unavailable.
        b"14" => Some(503),
        _ => None,
    }
}

/// Where a server says when to try again.
pub(crate) const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How long to wait before another try; what is no number of milliseconds, a negative one above all, means never (gRFC A6).
pub(crate) fn pushback(value: &[u8]) -> Duration {
    let text = std::str::from_utf8(value).ok();
    let ms = text.and_then(|t| t.trim().parse::<u32>().ok());
    ms.map_or(Duration::MAX, |ms| Duration::from_millis(ms.into()))
}

/// The answer that the path or a gate gives, as a client of gRPC reads it; `None`: the request is none.
pub(super) fn refusal(request: &RequestHead<'_>, reply: &Reply) -> Option<Reply> {
    let kind = request.fields.get(Kind::ContentType)?;
    is_grpc(kind).then_some(())?;
    let code = match reply.status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 => "8",
        502 | 503 => "14",
        504 => "4",
        _ => "2",
    };
    let mut headers = vec![("Content-Type".into(), Bytes::copy_from_slice(kind))];
    headers.push(("grpc-status".into(), Bytes::from_static(code.as_bytes())));
    headers.push((
        "grpc-message".into(),
        Bytes::from_static(reply.reason.as_bytes()),
    ));
    let more = reply
        .headers
        .iter()
        .filter(|(name, _)| name != "Content-Type");
    headers.extend(more.cloned());
    Some(Reply {
        headers,
        reason: reply.reason,
        ..Reply::new(200, Bytes::new())
    })
}

/// The code in trailer lines.
pub(super) fn in_trailers(lines: &[u8]) -> Option<&[u8]> {
    lines.split(|b| *b == b'\n').find_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        let is_status = line[..colon].eq_ignore_ascii_case(STATUS);
        is_status.then(|| line[colon + 1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_learned_as_statuses() {
        assert!(is_grpc(b"application/grpc") && is_grpc(b"Application/grpc+proto"));
        assert!(is_grpc(b"application/grpc-web-text+proto; x=y"));
        assert!(!is_grpc(b"application/grpc-website") && !is_grpc(b"application/json"));
        let lines = b"x: 1\r\nGrpc-Status: 14\r\n";
        assert_eq!(in_trailers(lines).and_then(learned), Some(503));
        for (code, status) in [
            ("0", None),
            ("5", None),
            ("13", Some(500)),
            ("4", Some(504)),
        ] {
            assert_eq!(learned(code.as_bytes()), status, "{code}");
        }
        assert_eq!(in_trailers(b"x: grpc-status\r\n"), None);
        assert_eq!(pushback(b"250"), Duration::from_millis(250));
        for never in ["-1", "", "soon", "99999999999"] {
            assert_eq!(pushback(never.as_bytes()), Duration::MAX, "{never}");
        }
    }
}
