//! Binary mode: attributes are headers, the body is the data (HTTP protocol binding, 3.1).

use crate::event::{Bad, Draft, Event, Value, bad, short};
use std::collections::BTreeMap;

/// From header lines and a body.
///
/// # Errors
/// What is wrong with the event.
pub fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: Vec<u8>,
) -> Result<Event, Bad> {
    draft(headers, body)?.check()
}

/// The same, not checked yet.
///
/// # Errors
/// What of it cannot be read.
pub fn draft<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: Vec<u8>,
) -> Result<Draft, Bad> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let name = match name.strip_prefix("ce-") {
            Some("datacontenttype") => {
                return bad("`ce-datacontenttype` is not sent: `Content-Type` says it");
            }
            Some(name) => name,
            None if name == "content-type" => "datacontenttype",
            None => continue,
        };
        let text = decoded(name, value)?;
        // A body without a type is allowed, an empty type is none.
        if name == "datacontenttype" && text.is_empty() {
            continue;
        }
        if attributes
            .insert(name.to_owned(), Value::Text(text))
            .is_some()
        {
            return bad(format!("`{}` is there twice", short(name)));
        }
    }
    Ok(Draft {
        attributes,
        data: body,
    })
}

/// Quotes and percent signs taken away.
fn decoded(name: &str, value: &[u8]) -> Result<String, Bad> {
    let value = value.trim_ascii();
    let mut plain = Vec::with_capacity(value.len());
    let quoted = value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\"");
    let inner = if quoted {
        &value[1..value.len() - 1]
    } else {
        value
    };
    let mut rest = inner;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, rest) {
            (b'\\', [next, tail @ ..]) if quoted => {
                plain.push(*next);
                rest = tail;
            }
            // A type may have percent signs of its own.
            (b'%', [high, low, tail @ ..]) if name != "datacontenttype" => {
                match (hex(*high), hex(*low)) {
                    (Some(high), Some(low)) => {
                        plain.push((high << 4) | low);
                        rest = tail;
                    }
                    _ => plain.push(b'%'),
                }
            }
            _ => plain.push(first),
        }
    }
    // The type of the data is as it was sent: its own quotes belong to parameters.
    if name == "datacontenttype" {
        plain = value.to_vec();
    }
    String::from_utf8(plain).map_err(|_| Bad(format!("`ce-{}` is no UTF-8", short(name))))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// Header lines of the event; the body is its data.
pub fn headers(event: &Event) -> Vec<(String, String)> {
    let line = |(name, value): (&str, &Value)| match name {
        "datacontenttype" => ("Content-Type".to_owned(), value.text()),
        _ => (format!("ce-{name}"), encoded(&value.text())),
    };
    event.attributes().map(line).collect()
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'"' | b'%' | 0..=0x20 | 0x7f.. => {
                out.push_str(&format!("%{b:02X}"));
            }
            _ => out.push(char::from(b)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [(&str, &[u8]); 4] = [
        ("ce-specversion", b"1.0"),
        ("ce-id", b"1"),
        ("ce-source", b"/shop"),
        ("ce-type", b"a"),
    ];

    fn with(more: &[(&'static str, &'static [u8])]) -> Result<Event, Bad> {
        let all = HEAD.iter().chain(more).copied();
        read(all, b"data".to_vec())
    }

    #[test]
    fn headers_are_attributes() {
        let event = with(&[
            ("CE-Subject", b"Euro%20%E2%82%AC 100%"),
            ("Content-Type", b"text/plain; charset=\"utf-8\""),
            ("ce-quoted", b"\"a \\\"b\\\"\""),
            ("x-other", b"no"),
        ])
        .unwrap();
        assert_eq!(event.get("subject").unwrap(), "Euro € 100%");
        assert_eq!(event.get("quoted").unwrap(), "a \"b\"");
        assert_eq!(event.content_type(), Some("text/plain; charset=\"utf-8\""));
        assert_eq!((event.get("other"), &event.data[..]), (None, &b"data"[..]));
        let headers = headers(&event);
        let line = |n: &str| {
            headers
                .iter()
                .find(|(name, _)| name == n)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(line("ce-subject"), "Euro%20%E2%82%AC%20100%25");
        assert_eq!(line("Content-Type"), "text/plain; charset=\"utf-8\"");
        // What is written is read.
        let again = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
        assert_eq!(read(again, event.data.clone()), Ok(event));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |more: &[(&'static str, &'static [u8])]| with(more).unwrap_err().0;
        assert!(wrong(&[("ce-id", b"2")]).contains("twice"));
        assert!(wrong(&[("ce-subject", b"\xff")]).contains("UTF-8"));
        assert!(wrong(&[("ce-subject", b"%FF")]).contains("UTF-8"));
        assert!(wrong(&[("ce-datacontenttype", b"a/b")]).contains("Content-Type"));
        let none = read(std::iter::empty(), Vec::new()).unwrap_err();
        assert!(none.0.contains("no CloudEvent"));
    }
}
