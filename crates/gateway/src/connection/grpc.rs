//! gRPC tells how a call went in a header or a trailer of an answer with status 200. What is learned from it is the
//! status that HTTP has for the same; the client gets what the instance said. Pure.

/// The name of the header or trailer.
pub(super) const STATUS: &[u8] = b"grpc-status";

pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    let kind = content_type.get(..16);
    kind.is_some_and(|k| k.eq_ignore_ascii_case(b"application/grpc"))
        && matches!(content_type.get(16), None | Some(b'+' | b';' | b' '))
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
        assert!(!is_grpc(b"application/grpc-web") && !is_grpc(b"application/json"));
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
    }
}
