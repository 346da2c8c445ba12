//! Structured and batch mode: attributes and data in JSON (JSON event format).

use crate::event::{Bad, Draft, Event, Value, bad, short};
use crate::is_json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// One event.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8]) -> Result<Event, Bad> {
    draft(body)?.check()
}

/// The same, not checked yet.
///
/// # Errors
/// What of it cannot be read.
pub fn draft(body: &[u8]) -> Result<Draft, Bad> {
    let members: Members<'_> = serde_json::from_slice(body)
        .map_err(|e| Bad(format!("the body is no JSON object of an event: {e}")))?;
    of(members)
}

/// A list of at most so many, each as `finish` makes it of what was read.
///
/// # Errors
/// What is wrong with the list, or with which event of it.
pub fn read_batch<T>(
    body: &[u8],
    most: usize,
    mut finish: impl FnMut(Draft) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let all: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|e| Bad(format!("the body is no JSON list of events: {e}")))?;
    if all.len() > most {
        return bad(format!("{} events in one batch; at most {most}", all.len()));
    }
    let event = |(i, raw): (usize, &&RawValue)| {
        let at = |Bad(what)| Bad(format!("event {} of the batch: {what}", i + 1));
        draft(raw.get().as_bytes())
            .and_then(&mut finish)
            .map_err(at)
    };
    all.iter().enumerate().map(event).collect()
}

fn of(members: Members<'_>) -> Result<Draft, Bad> {
    let (mut attributes, mut data, mut encoded) = (BTreeMap::new(), None, None);
    for (name, raw) in members {
        match name.as_str() {
            // What is null is not there.
            _ if raw.get() == "null" && name != "data" => {}
            "data" => data = Some(raw),
            "data_base64" => encoded = Some(raw),
            _ => {
                attributes.insert(name.clone(), attribute(&name, raw)?);
            }
        }
    }
    let kind = match attributes.get("datacontenttype") {
        Some(Value::Text(kind)) => Some(kind.clone()),
        Some(_) => return bad("`datacontenttype` is no text"),
        None => None,
    };
    let bytes = match (data, encoded) {
        (Some(_), Some(_)) => return bad("`data` and `data_base64` exclude each other"),
        (None, None) => Vec::new(),
        (Some(raw), None) => plain(raw, kind.as_deref())?,
        (None, Some(raw)) => {
            let text: String = serde_json::from_str(raw.get())
                .map_err(|_| Bad("`data_base64` is no text".into()))?;
            let bytes = STANDARD.decode(text);
            bytes.map_err(|e| Bad(format!("`data_base64` is no Base64: {e}")))?
        }
    };
    // Data in JSON is JSON unless it says otherwise; in binary mode that must be said.
    if data.is_some() && kind.is_none() {
        let json = Value::Text("application/json".into());
        attributes.insert("datacontenttype".into(), json);
    }
    Ok(Draft {
        attributes,
        data: bytes,
    })
}

fn attribute(name: &str, raw: &RawValue) -> Result<Value, Bad> {
    match serde_json::from_str(raw.get()) {
        Ok(value) => Ok(value),
        Err(_) => bad(format!(
            "`{}` is neither text, a whole number of 32 bits, nor true or false",
            short(name)
        )),
    }
}

/// JSON stays as it was written; a text of another type stands for its bytes.
fn plain(raw: &RawValue, kind: Option<&str>) -> Result<Vec<u8>, Bad> {
    if !is_json(kind)
        && raw.get().starts_with('"')
        && let Ok(text) = serde_json::from_str::<String>(raw.get())
    {
        return Ok(text.into_bytes());
    }
    Ok(raw.get().as_bytes().to_vec())
}

/// The event in the JSON event format, on one line.
pub fn write(event: &Event) -> Vec<u8> {
    write_with(event, &[])
}

/// With what is said of it beside its own attributes.
pub fn write_with(event: &Event, more: &[(&str, serde_json::Value)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value) in event.attributes() {
        member(&mut out, name);
        out.extend(serde_json::to_vec(value).unwrap_or_default());
    }
    for (name, value) in more {
        member(&mut out, name);
        out.extend(serde_json::to_vec(value).unwrap_or_default());
    }
    if !event.data.is_empty() {
        data(&mut out, event);
    }
    out.push(b'}');
    out
}

fn data(out: &mut Vec<u8>, event: &Event) {
    let text = std::str::from_utf8(&event.data).ok();
    match event.content_type() {
        kind if is_json(kind) => {
            let json = text.and_then(|t| serde_json::from_str::<&RawValue>(t).ok());
            if let Some(json) = json {
                member(out, "data");
                // A line break may only stand between tokens.
                out.extend(json.get().bytes().map(|b| match b {
                    b'\n' | b'\r' => b' ',
                    b => b,
                }));
                return;
            }
        }
        Some(kind) if kind.starts_with("text/") => {
            if let Some(text) = text {
                member(out, "data");
                out.extend(serde_json::to_vec(text).unwrap_or_default());
                return;
            }
        }
        _ => {}
    }
    member(out, "data_base64");
    out.push(b'"');
    out.extend(STANDARD.encode(&event.data).into_bytes());
    out.push(b'"');
}

fn member(out: &mut Vec<u8>, name: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend(serde_json::to_vec(name).unwrap_or_default());
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#""specversion":"1.0","id":"1","source":"/shop","type":"a""#;

    fn with(more: &str) -> Result<Event, Bad> {
        read(format!("{{{HEAD}{more}}}").as_bytes())
    }

    #[test]
    fn json_stays_as_it_was_written_and_bytes_are_bytes() {
        let event = with(r#", "n": 7, "data": {"big": 12345678901234567890, "x": 1.10}"#).unwrap();
        assert_eq!(event.data, br#"{"big": 12345678901234567890, "x": 1.10}"#);
        assert_eq!(event.content_type(), Some("application/json"));
        assert_eq!(event.get("n").as_deref(), Some("7"));
        assert_eq!(read(&write(&event)), Ok(event));
        let bytes = with(r#","datacontenttype":"image/png","data_base64":"AP8=""#).unwrap();
        assert_eq!(bytes.data, [0, 255]);
        assert_eq!(read(&write(&bytes)), Ok(bytes));
        let text = with(r#","datacontenttype":"text/plain","data":"a\nb""#).unwrap();
        assert_eq!(text.data, b"a\nb");
        assert!(!write(&text).contains(&b'\n'), "one line");
        assert_eq!(read(&write(&text)), Ok(text));
        let none = with(r#","subject":null"#).unwrap();
        assert_eq!((none.get("subject"), none.data.len()), (None, 0));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |more: &str| with(more).unwrap_err().0;
        assert!(wrong(r#","x":{}"#).contains("neither text"));
        assert!(wrong(r#","x":5000000000"#).contains("neither text"));
        assert!(wrong(r#","time":0"#).contains("write it like"));
        assert!(wrong(r#","data":1,"data_base64":"AA==""#).contains("exclude"));
        assert!(wrong(r#","data_base64":"?""#).contains("Base64"));
        assert!(wrong(r#","data_base64":7"#).contains("no text"));
        assert!(read(b"[]").unwrap_err().0.contains("no JSON object"));
        assert!(read(&[b'['; 100_000]).is_err(), "as deep as somebody likes");
        let batch = format!("[{{{HEAD}}},{{}}]");
        let all = |text: &[u8], most| read_batch(text, most, Draft::check);
        let said = all(batch.as_bytes(), 5).unwrap_err().0;
        assert!(said.contains("event 2 of the batch"), "{said}");
        assert!(
            all(batch.as_bytes(), 1)
                .unwrap_err()
                .0
                .contains("at most 1")
        );
        assert_eq!(all(b"[]", 1), Ok(Vec::new()));
    }
}
