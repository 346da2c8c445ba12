//! An event as CloudEvents 1.0 has it: read from a request, kept, and written out again. Pure.

use crate::percent::decoded;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use store::{NewEvent, Record};

/// Media types of one event, and of several.
pub const ONE: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json";
/// Most attributes of one event, and the longest name of one.
const ATTRIBUTES: usize = 64;
const NAME: usize = 64;
/// Longest value of an attribute, bytes.
const VALUE: usize = 8 << 10;
/// What we say ourselves of an event that is read.
const OURS: [&str; 3] = ["stream", "version", "position"];

/// Its attributes (`type`, `id` and `source` among them), and its data as they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    attributes: Map<String, Value>,
    data: Vec<u8>,
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
}

impl Event {
    /// One without data. `id` empty: it is drawn when the event is appended.
    pub fn new(id: &str, kind: &str, source: &str) -> Event {
        let mut attributes = Map::new();
        for (name, value) in [("id", id), ("type", kind), ("source", source)] {
            if !value.is_empty() {
                attributes.insert(name.into(), value.into());
            }
        }
        Event {
            attributes,
            data: Vec::new(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Event {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// JSON as its data.
    pub fn with_json(mut self, data: &str) -> Event {
        self.data = data.as_bytes().to_vec();
        self.with("datacontenttype", "application/json")
    }

    /// Text as its data.
    pub fn with_text(mut self, data: &str) -> Event {
        self.data = data.as_bytes().to_vec();
        self.with("datacontenttype", "text/plain")
    }

    /// `HTTP binary`: attributes are headers, the body is the data.
    pub fn binary<'h>(
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Event, String> {
        let mut attributes = Map::new();
        for (name, value) in headers {
            let Some(name) = name.strip_prefix("ce-") else {
                continue;
            };
            attributes.insert(name.to_owned(), decoded(value)?.into());
        }
        if let Some(kind) = content_type {
            attributes.insert("datacontenttype".into(), kind.into());
        }
        let data = body.to_vec();
        Event { attributes, data }.checked()
    }

    /// `HTTP structured`: all of it is JSON.
    pub fn structured(text: &str) -> Result<Event, String> {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|e| format!("an event is a JSON object: {e}"))?;
        let mut event = Event::new("", "", "");
        let mut data = None;
        for (name, raw) in members {
            match name.as_str() {
                "data" => data = Some(raw),
                "data_base64" => {
                    let text: String = serde_json::from_str(raw.get())
                        .map_err(|_| "`data_base64` is a text".to_owned())?;
                    event.data = BASE64_STANDARD
                        .decode(text)
                        .map_err(|e| format!("`data_base64`: {e}"))?;
                }
                _ => {
                    let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
                    event.attributes.insert(name, value);
                }
            }
        }
        if let Some(raw) = data {
            let of_text = event.text("datacontenttype").is_some_and(|k| !is_json(k));
            event.data = match serde_json::from_str::<String>(raw.get()) {
                Ok(text) if of_text => text.into_bytes(),
                _ if of_text => return Err("`data` that is not JSON is a text".into()),
                _ => raw.get().as_bytes().to_vec(),
            };
        }
        event.checked()
    }

    /// Several of them.
    pub fn batch(text: &str) -> Result<Vec<Event>, String> {
        let all: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|e| format!("a batch is a list of events: {e}"))?;
        all.into_iter()
            .map(|raw| Event::structured(raw.get()))
            .collect()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }

    fn checked(mut self) -> Result<Event, String> {
        for name in OURS {
            self.attributes.remove(name);
        }
        if let Some(version) = self.attributes.remove("specversion")
            && version != "1.0"
        {
            return Err(format!(
                "this is version {version} of CloudEvents; 1.0 is taken"
            ));
        }
        if self.text("type").is_none_or(str::is_empty) {
            return Err("an event has a `type`".into());
        }
        if self.attributes.len() > ATTRIBUTES {
            return Err(format!("an event has at most {ATTRIBUTES} attributes"));
        }
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        for (name, value) in &self.attributes {
            if name.is_empty() || name.len() > NAME || !name.bytes().all(good) {
                let shown: String = name.chars().take(NAME).collect();
                return Err(format!(
                    "`{}` is no attribute: small letters and digits, at most {NAME}",
                    shown.escape_debug()
                ));
            }
            match value {
                Value::String(text) if text.len() <= VALUE => {}
                Value::Bool(_) | Value::Number(_) => {}
                _ => {
                    return Err(format!(
                        "`{name}` is a text of at most {VALUE} bytes, a number or a flag"
                    ));
                }
            }
        }
        for name in ["id", "source", "datacontenttype", "subject"] {
            if self.attributes.get(name).is_some_and(|v| !v.is_string()) {
                return Err(format!("`{name}` is a text"));
            }
        }
        let json = self.text("datacontenttype").is_none_or(is_json);
        if json && !self.data.is_empty() && serde_json::from_slice::<&RawValue>(&self.data).is_err()
        {
            return Err("its data is not the JSON that it says it is".into());
        }
        Ok(self)
    }

    /// As it is appended to `stream`. `fresh`: an id for one that has none.
    pub fn keep(mut self, stream: &str, now_ms: u64, fresh: impl FnOnce() -> String) -> NewEvent {
        if self.text("source").is_none_or(str::is_empty) {
            self = self.with("source", &format!("/v1/streams/{stream}"));
        }
        // One that was drawn here nobody sends again.
        let id = match self.text("id").filter(|id| !id.is_empty()) {
            Some(id) => format!("{} {id}", self.text("source").unwrap_or("")),
            None => String::new(),
        };
        if id.is_empty() {
            self = self.with("id", &fresh());
        }
        let kind = self.text("type").unwrap_or("").to_owned();
        let head = Value::Object(self.attributes).to_string();
        let mut data = (head.len() as u32).to_le_bytes().to_vec();
        data.extend_from_slice(head.as_bytes());
        data.extend_from_slice(&self.data);
        NewEvent {
            id,
            kind,
            at_ms: now_ms,
            data,
        }
    }

    fn kept(bytes: &[u8]) -> Option<Event> {
        let (length, rest) = bytes.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (head, data) = rest.split_at_checked(length)?;
        Some(Event {
            attributes: serde_json::from_slice(head).ok()?,
            data: data.to_vec(),
        })
    }

    /// Structured, with where it stands.
    pub fn write(record: &Record, out: &mut String) {
        let Some(event) = Event::kept(&record.data) else {
            // Nothing that is written here is unreadable, but a reader must not be held up by it.
            let (kind, position) = (Value::from(record.kind.as_str()), record.position);
            *out += &format!(
                r#"{{"specversion":"1.0","type":{kind},"id":"{position}","source":"/damaged","position":{position}}}"#
            );
            return;
        };
        let json = event.text("datacontenttype").is_none_or(is_json);
        let mut all = event.attributes;
        all.insert("specversion".into(), "1.0".into());
        if !all.contains_key("time") {
            let at = jiff::Timestamp::from_millisecond(record.at_ms as i64);
            all.insert("time".into(), at.unwrap_or_default().to_string().into());
        }
        all.insert("stream".into(), record.stream.as_str().into());
        all.insert("version".into(), record.version.into());
        all.insert("position".into(), record.position.into());
        let text = Value::Object(all).to_string();
        *out += text.strip_suffix('}').unwrap_or(&text);
        match std::str::from_utf8(&event.data) {
            Ok("") => {}
            Ok(data) if json => *out += &format!(",\"data\":{data}"),
            Ok(data) => *out += &format!(",\"data\":{}", Value::from(data)),
            Err(_) => {
                *out += &format!(
                    ",\"data_base64\":\"{}\"",
                    BASE64_STANDARD.encode(&event.data)
                )
            }
        }
        out.push('}');
    }
}

/// The body of a batch.
pub fn batch(records: &[Record]) -> String {
    let mut out = String::from("[");
    for (i, record) in records.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        Event::write(record, &mut out);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: Event) -> Value {
        let new = event.keep("s", 1_000, || "drawn".into());
        let record = Record {
            position: 7,
            stream: "s".into(),
            version: 2,
            kind: new.kind,
            at_ms: new.at_ms,
            data: new.data,
        };
        serde_json::from_str(&batch(&[record])).unwrap()
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let text = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"placed","subject":"o/7","tenant":"a","n":3,
            "data":{"big":12345678901234567890123,"a": [1, 2]}}"#;
        let event = Event::structured(text).unwrap();
        assert_eq!(event.clone().keep("s", 0, String::new).id, "/shop 1");
        let mut out = String::new();
        let new = event.keep("s", 0, String::new);
        let record = Record {
            position: 7,
            stream: "s".into(),
            version: 2,
            kind: new.kind,
            at_ms: 0,
            data: new.data,
        };
        Event::write(&record, &mut out);
        // What the data says is not touched, not even its blanks.
        assert!(
            out.contains(r#""data":{"big":12345678901234567890123,"a": [1, 2]}"#),
            "{out}"
        );
        let value: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&value["position"], &value["version"]),
            (&7.into(), &2.into())
        );
        assert_eq!((&value["tenant"], &value["n"]), (&"a".into(), &3.into()));
        assert_eq!(value["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn data_may_be_json_text_or_bytes() {
        let of = |kind: &str, body: &[u8]| {
            let headers = [
                ("ce-type", "t"),
                ("ce-id", "1"),
                ("ce-source", "/s%20x"),
                ("host", "h"),
            ];
            Event::binary(headers.into_iter(), Some(kind), body).map(shown)
        };
        let json = of("application/json", b"{\"a\":1}").unwrap();
        assert_eq!(
            (&json[0]["data"]["a"], &json[0]["source"]),
            (&1.into(), &"/s x".into())
        );
        assert_eq!(of("text/plain", "ü".as_bytes()).unwrap()[0]["data"], "ü");
        assert_eq!(
            of("image/png", b"\xff\x00").unwrap()[0]["data_base64"],
            "/wA="
        );
        assert!(of("application/json", b"{").is_err());
        let none = Event::structured(r#"{"type":"t"}"#).unwrap();
        let none = shown(none);
        assert_eq!(
            (&none[0]["id"], &none[0]["data"]),
            (&"drawn".into(), &Value::Null)
        );
        assert_eq!(none[0]["source"], "/v1/streams/s");
        let text =
            Event::structured(r#"{"type":"t","datacontenttype":"text/plain","data":"a\nb"}"#);
        assert_eq!(shown(text.unwrap())[0]["data"], "a\nb");
        let bytes =
            Event::structured(r#"{"type":"t","datacontenttype":"x/y","data_base64":"/wA="}"#);
        assert_eq!(shown(bytes.unwrap())[0]["data_base64"], "/wA=");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":""}"#,
            r#"{"type":1}"#,
            r#"{"type":"t","specversion":"0.3"}"#,
            r#"{"type":"t","UPPER":"x"}"#,
            r#"{"type":"t","x":{}}"#,
            r#"{"type":"t","x":null}"#,
            r#"{"type":"t","id":7}"#,
            r#"{"type":"t","data_base64":"?"}"#,
            r#"{"type":"t","datacontenttype":"text/plain","data":{}}"#,
        ] {
            assert!(Event::structured(text).is_err(), "{text}");
        }
        assert!(Event::batch(r#"[{"type":"t"},{}]"#).is_err());
        assert_eq!(
            Event::batch(r#"[{"type":"t"},{"type":"u"}]"#)
                .unwrap()
                .len(),
            2
        );
        // Nobody says himself where an event stands.
        let forged = Event::structured(r#"{"type":"t","position":99,"stream":"x"}"#).unwrap();
        let forged = shown(forged);
        assert_eq!(
            (&forged[0]["position"], &forged[0]["stream"]),
            (&7.into(), &"s".into())
        );
    }
}
