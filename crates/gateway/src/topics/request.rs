//! An event as the request that delivers it. Pure.

use cloudevents::{Event, STRUCTURED, binary, json};
use config::sections::EventMode;
use std::io::Write;

/// What a delivery says of itself.
pub struct Delivery<'a> {
    pub topic: &'a str,
    pub subscription: &'a str,
    pub attempt: u32,
    /// Of the event, in the order of the topic.
    pub position: u64,
}

/// Header lines and the body.
pub fn carry(event: Event, mode: EventMode) -> (Vec<(String, String)>, Vec<u8>) {
    match mode {
        EventMode::Binary => (binary::headers(&event), event.data),
        EventMode::Structured => {
            let kind = format!("{STRUCTURED}; charset=utf-8");
            let body = json::write(&event);
            (vec![("Content-Type".into(), kind)], body)
        }
    }
}

/// As it goes to an instance of a service.
pub fn bytes(event: Event, mode: EventMode, path: &str, host: &str, d: &Delivery<'_>) -> Vec<u8> {
    let key = event.digest().into_iter().map(|b| format!("{b:02x}"));
    let key: String = key.collect();
    let (headers, body) = carry(event, mode);
    let mut out = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    for (name, value) in headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(
        out,
        "Plimsoll-Topic: {}\r\nPlimsoll-Subscription: {}\r\nPlimsoll-Attempt: {}\r\nPlimsoll-Position: {}\r\n\
         Idempotency-Key: \"{key}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        d.topic,
        d.subscription,
        d.attempt,
        d.position,
        body.len()
    );
    out.extend_from_slice(&body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let text = br#"{"specversion":"1.0","id":"1","source":"/shop","type":"a","data":{"n":1}}"#;
        json::read(text).unwrap()
    }

    #[test]
    fn a_delivery_is_a_cloud_event_in_either_mode() {
        let d = Delivery {
            topic: "orders",
            subscription: "billing",
            attempt: 2,
            position: 7,
        };
        let of = |mode| String::from_utf8(bytes(event(), mode, "/hook", "shop", &d)).unwrap();
        let binary = of(EventMode::Binary);
        for part in [
            "POST /hook HTTP/1.1\r\nHost: shop\r\n",
            "ce-id: 1\r\n",
            "Content-Type: application/json\r\n",
            "Plimsoll-Attempt: 2\r\n",
            "Content-Length: 7\r\n",
            "\r\n\r\n{\"n\":1}",
        ] {
            assert!(binary.contains(part), "{part}: {binary}");
        }
        let structured = of(EventMode::Structured);
        assert!(structured.contains("Content-Type: application/cloudevents+json; charset=utf-8"));
        assert!(
            structured.ends_with("\"type\":\"a\",\"data\":{\"n\":1}}"),
            "{structured}"
        );
    }
}
