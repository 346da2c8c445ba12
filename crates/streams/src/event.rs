//! Events of streams: CloudEvents as `cloudevents` reads them, filled in, kept, and written out with where they stand. Pure.

pub use cloudevents::BATCH;
use cloudevents::{Bad, Draft, Event, Value, json};
use std::collections::BTreeMap;
use store::{NewEvent, Record};

/// What we say ourselves of an event that is read.
const OURS: [&str; 3] = ["stream", "version", "position"];

/// As it is appended to `stream`: only its `type` must be said. `fresh`: an id for one that has none.
///
/// # Errors
/// What is wrong with it.
pub fn keep(
    mut draft: Draft,
    stream: &str,
    now_ms: u64,
    fresh: impl FnOnce() -> String,
) -> Result<NewEvent, Bad> {
    for name in OURS {
        draft.attributes.remove(name);
    }
    draft.add("specversion", "1.0");
    draft.add("source", &source(stream));
    // One that was drawn here nobody sends again.
    let named = draft.has("id");
    if !named {
        draft.add("id", &fresh());
    }
    let event = draft.check()?;
    Ok(NewEvent {
        id: if named { id(&event) } else { String::new() },
        ..row(&event, now_ms)
    })
}

/// The same of one in JSON.
///
/// # Errors
/// What is wrong with it.
pub fn keep_json(
    text: &str,
    stream: &str,
    now_ms: u64,
    fresh: impl FnOnce() -> String,
) -> Result<NewEvent, String> {
    let draft = json::draft(text.as_bytes());
    let kept = draft.and_then(|d| keep(d, stream, now_ms, fresh));
    kept.map_err(|Bad(what)| what)
}

/// One that is made here, with an id of its own.
pub fn keep_own(event: &Event, now_ms: u64) -> NewEvent {
    NewEvent {
        id: id(event),
        ..row(event, now_ms)
    }
}

/// Of an event that names none. A stream may have a name that is no part of a URI.
fn source(stream: &str) -> String {
    let mut out = String::from("/v1/streams/");
    for c in stream.chars() {
        match c.is_whitespace() {
            true => c
                .to_string()
                .bytes()
                .for_each(|b| out += &format!("%{b:02X}")),
            false => out.push(c),
        }
    }
    out
}

/// What says that another event is the same.
fn id(event: &Event) -> String {
    format!("{} {}", event.source(), event.id())
}

fn row(event: &Event, now_ms: u64) -> NewEvent {
    let head = event.keep();
    let mut data = (head.len() as u32).to_le_bytes().to_vec();
    data.extend_from_slice(&head);
    data.extend_from_slice(&event.data);
    NewEvent {
        id: String::new(),
        kind: event.kind().to_owned(),
        at_ms: now_ms,
        data,
    }
}

/// It was checked when it was kept. What was kept by older rules has no `specversion`, and may have larger numbers.
fn kept(bytes: &[u8]) -> Option<Event> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (head, data) = rest.split_at_checked(length)?;
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_slice(head).ok()?;
    let mut draft = Draft {
        attributes: BTreeMap::new(),
        data: data.to_vec(),
    };
    for (name, value) in all {
        let value = match value {
            serde_json::Value::String(text) => Value::Text(text),
            other => serde_json::from_value(other.clone())
                .unwrap_or_else(|_| Value::Text(other.to_string())),
        };
        draft.attributes.insert(name, value);
    }
    draft.add("specversion", "1.0");
    Some(draft.trust())
}

/// Structured, with where it stands, on one line.
pub fn write(record: &Record) -> Vec<u8> {
    let mut more: Vec<(&str, serde_json::Value)> = vec![
        ("stream", record.stream.as_str().into()),
        ("version", record.version.into()),
        ("position", record.position.into()),
    ];
    let event = kept(&record.data).unwrap_or_else(|| {
        // Nothing that is written here is unreadable, but a reader must not be held up by it.
        let id = record.position.to_string();
        let pairs = [
            ("type", record.kind.as_str()),
            ("id", id.as_str()),
            ("source", "/damaged"),
        ];
        Draft::of(pairs, Vec::new()).trust()
    });
    if event.get("time").is_none() {
        let at = jiff::Timestamp::from_millisecond(record.at_ms as i64);
        more.push(("time", at.unwrap_or_default().to_string().into()));
    }
    json::write_with(&event, &more)
}

/// The body of a batch.
pub fn batch(records: &[Record]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (i, record) in records.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend(write(record));
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn record(new: NewEvent) -> Record {
        Record {
            position: 7,
            stream: "s".into(),
            version: 2,
            kind: new.kind,
            at_ms: new.at_ms,
            data: new.data,
        }
    }

    fn structured(text: &str) -> Result<NewEvent, Bad> {
        keep(json::draft(text.as_bytes())?, "s", 0, || "drawn".into())
    }

    fn shown(new: NewEvent) -> Value {
        serde_json::from_slice(&batch(&[record(new)])).unwrap()
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let text = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"placed","subject":"o/7","tenant":"a","n":3,
            "data":{"big":12345678901234567890123,"a": [1, 2]}}"#;
        let new = structured(text).unwrap();
        assert_eq!(new.id, "/shop 1");
        let out = String::from_utf8(write(&record(new))).unwrap();
        // What the data says is not touched, not even its blanks.
        assert!(
            out.contains(r#""data":{"big":12345678901234567890123,"a": [1, 2]}"#),
            "{out}"
        );
        assert!(!out.contains('\n'), "one line");
        let value: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&value["position"], &value["version"]),
            (&7.into(), &2.into())
        );
        assert_eq!((&value["tenant"], &value["n"]), (&"a".into(), &3.into()));
        assert_eq!(value["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_not_said_is_filled_in() {
        let new = structured(r#"{"type":"t"}"#).unwrap();
        assert_eq!(new.id, "", "nobody sends it again");
        let none = shown(new);
        assert_eq!(
            (&none[0]["id"], &none[0]["data"]),
            (&"drawn".into(), &Value::Null)
        );
        assert_eq!(none[0]["source"], "/v1/streams/s");
        assert_eq!(none[0]["specversion"], "1.0");
        let spaced = keep(Draft::of([("type", "t")], Vec::new()), "a b", 0, || {
            "1".into()
        });
        assert_eq!(shown(spaced.unwrap())[0]["source"], "/v1/streams/a%20b");
        // Nobody says himself where an event stands.
        let forged = structured(r#"{"type":"t","position":99,"stream":"x"}"#).unwrap();
        let forged = shown(forged);
        assert_eq!(
            (&forged[0]["position"], &forged[0]["stream"]),
            (&7.into(), &"s".into())
        );
        for (text, said) in [
            ("{}", "no `type`"),
            (r#"{"type":""}"#, "`type` is empty"),
            (r#"{"type":1}"#, "no text"),
            (r#"{"type":"t","id":7}"#, "no text"),
            (r#"{"type":"t","id":""}"#, "`id` is empty"),
            (r#"{"type":"t","specversion":"0.3"}"#, "1.0 is read here"),
            (r#"{"type":"t","UPPER":"x"}"#, "no name of an attribute"),
            (r#"{"type":"t","time":"tomorrow"}"#, "write it like"),
        ] {
            let Bad(why) = structured(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }

    #[test]
    fn data_may_be_json_text_or_bytes() {
        let of = |kind: &str, body: &[u8]| {
            let pairs = [("type", "t"), ("id", "1"), ("datacontenttype", kind)];
            shown(keep(Draft::of(pairs, body.to_vec()), "s", 0, String::new).unwrap())
        };
        let json = of("application/json", b"{\"a\":1}");
        assert_eq!(json[0]["data"]["a"], 1);
        assert_eq!(of("text/plain", "ü".as_bytes())[0]["data"], "ü");
        assert_eq!(of("image/png", b"\xff\x00")[0]["data_base64"], "/wA=");
        // What is no JSON though it says so is given back as the bytes that it is.
        assert_eq!(of("application/json", b"{")[0]["data_base64"], "ew==");
    }

    #[test]
    fn what_older_rules_kept_and_what_is_damaged_can_be_read() {
        let head = br#"{"id":"1","source":"/s","type":"t","n":5000000000}"#;
        let mut data = (head.len() as u32).to_le_bytes().to_vec();
        data.extend_from_slice(head);
        data.extend_from_slice(b"7");
        let old = |data: Vec<u8>| NewEvent {
            id: String::new(),
            kind: "t".into(),
            at_ms: 0,
            data,
        };
        let all = shown(old(data));
        assert_eq!(
            (&all[0]["n"], &all[0]["data"]),
            (&"5000000000".into(), &7.into())
        );
        assert_eq!(all[0]["specversion"], "1.0");
        let damaged = shown(old(b"x".to_vec()));
        assert_eq!(
            (&damaged[0]["source"], &damaged[0]["position"]),
            (&"/damaged".into(), &7.into())
        );
    }
}
