//! gRPC's health protocol (`grpc.health.v1.Health/Check`): one question and its answer, as bytes. Pure.

use super::ask::{Answer, Question};
use bytes::Bytes;

/// Of the messages that are read: `HealthCheckResponse { status = 1 }`, where 1 is SERVING.
const SERVING: u64 = 1;

/// Asks `host` for `service`; `*` is the server as a whole.
pub fn question(service: &str, host: String) -> Question {
    let name = if service == "*" { "" } else { service };
    // HealthCheckRequest { service = 1 }; a field that is empty is left out.
    let mut message = Vec::new();
    if !name.is_empty() {
        message.push(0x0a);
        varint(&mut message, name.len() as u64);
        message.extend_from_slice(name.as_bytes());
    }
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(&message);
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "plimsoll-health"),
    ];
    Question {
        method: "POST".into(),
        target: "/grpc.health.v1.Health/Check".into(),
        host,
        headers: headers.map(|(n, v)| (n.into(), v.into())).into(),
        body: Some(Bytes::from(body)),
    }
}

pub fn is_serving(told: &Answer) -> bool {
    let well = told.status == 200 && told.header("grpc-status") == Some("0");
    well && status(&told.body) == Some(SERVING)
}

/// The status in the one message of a body; `None` when it is none.
fn status(body: &[u8]) -> Option<u64> {
    let (head, mut message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    if head[0] != 0 || length as usize != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let key = read_varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = read_varint(&mut message)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            2 => {
                let length = read_varint(&mut message)?;
                message = message.get(usize::try_from(length).ok()?..)?;
            }
            // Fixed widths: none is in this message, in any version so far.
            _ => return None,
        }
    }
    Some(status)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(grpc_status: &str, body: &[u8]) -> Answer {
        Answer {
            status: 200,
            headers: vec![("grpc-status".into(), grpc_status.into())],
            body: body.to_vec(),
            whole: true,
        }
    }

    #[test]
    fn the_question_is_what_grpc_libraries_send() {
        let body = |service| question(service, "localhost".into()).body.unwrap();
        assert_eq!(&body("a.B")[..], b"\0\0\0\0\x05\x0a\x03a.B");
        assert_eq!(&body("*")[..], b"\0\0\0\0\0");
        assert_eq!(body(&"x".repeat(200))[5..8], [0x0a, 200, 1]);
    }

    #[test]
    fn only_serving_is_well() {
        assert!(is_serving(&told("0", b"\0\0\0\0\x02\x08\x01")));
        assert!(
            is_serving(&told("0", b"\0\0\0\0\x05\x12\x01x\x08\x01")),
            "a field of later versions"
        );
        for (status, body) in [
            ("0", &b"\0\0\0\0\x02\x08\x02"[..]),
            ("0", b"\0\0\0\0\0"),
            ("5", b"\0\0\0\0\x02\x08\x01"),
            ("0", b"\x01\0\0\0\x02\x08\x01"),
            ("0", b"\0\0\0\0\x09\x08\x01"),
            ("0", b"\0\0\0\0\x02\x08\x81"),
            ("0", b""),
        ] {
            assert!(!is_serving(&told(status, body)), "{status} {body:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_an_instance_says_is_a_panic(body: Vec<u8>, rest: Vec<u8>) {
            let _ = status(&body);
            let framed = [&[0][..], &(rest.len() as u32).to_be_bytes(), &rest].concat();
            let _ = status(&framed);
        }
    }
}
