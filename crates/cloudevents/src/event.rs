//! An event: its attributes and its data, and what makes it a bad one.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Most attributes of one event.
pub const ATTRIBUTES: usize = 48;
/// Most bytes of names and values of all its attributes: as headers, each byte may become three.
pub const SIZE: usize = 8 << 10;
/// Longest name of an attribute, bytes; the specification asks for 20 at most.
const NAME: usize = 64;

/// What is wrong with an event, for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad(pub String);

pub(crate) fn bad<T>(what: impl Into<String>) -> Result<T, Bad> {
    Err(Bad(what.into()))
}

/// The value of an attribute. Headers only know text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Flag(bool),
    Whole(i32),
    Text(String),
}

impl Value {
    /// In its canonical form as text.
    pub fn text(&self) -> String {
        match self {
            Value::Flag(flag) => flag.to_string(),
            Value::Whole(n) => n.to_string(),
            Value::Text(text) => text.clone(),
        }
    }
}

/// What was read or made, before it is checked: whoever takes it may add what is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub attributes: BTreeMap<String, Value>,
    pub data: Vec<u8>,
}

impl Draft {
    /// One that is made here, with these attributes.
    pub fn of<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>, data: Vec<u8>) -> Draft {
        let mut draft = Draft {
            attributes: BTreeMap::new(),
            data,
        };
        draft.add("specversion", "1.0");
        for (name, value) in pairs {
            draft.add(name, value);
        }
        draft
    }

    pub fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// Unless it says so itself.
    pub fn add(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.attributes
                .insert(name.to_owned(), Value::Text(value.to_owned()));
        }
    }

    /// # Errors
    /// What of the specification does not hold.
    pub fn check(self) -> Result<Event, Bad> {
        Event::new(self.attributes, self.data)
    }

    /// What somebody else has checked, or what must be taken as it is.
    pub fn trust(self) -> Event {
        Event {
            attributes: self.attributes,
            data: self.data,
        }
    }
}

/// One that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    attributes: BTreeMap<String, Value>,
    /// Empty: it has none.
    pub data: Vec<u8>,
}

impl Event {
    /// # Errors
    /// What of the specification does not hold.
    pub fn new(attributes: BTreeMap<String, Value>, data: Vec<u8>) -> Result<Event, Bad> {
        let event = Event { attributes, data };
        event.check()?;
        Ok(event)
    }

    fn check(&self) -> Result<(), Bad> {
        match self.attributes.get("specversion").map(Value::text) {
            Some(v) if v == "1.0" => {}
            Some(v) => {
                return bad(format!(
                    "`specversion` is `{}`; 1.0 is read here",
                    short(&v)
                ));
            }
            None => return bad("there is no `specversion`: this is no CloudEvent"),
        }
        for required in ["id", "source", "type"] {
            match self.attributes.get(required) {
                Some(Value::Text(text)) if !text.is_empty() => {}
                Some(Value::Text(_)) => return bad(format!("`{required}` is empty")),
                Some(_) => return bad(format!("`{required}` is no text")),
                None => return bad(format!("there is no `{required}`")),
            }
        }
        if self.attributes.len() > ATTRIBUTES {
            return bad(format!("more than {ATTRIBUTES} attributes"));
        }
        let size: usize = (self.attributes.iter())
            .map(|(name, value)| name.len() + value.text().len())
            .sum();
        if size > SIZE {
            return bad(format!(
                "its attributes have {size} bytes; at most {SIZE} are taken"
            ));
        }
        for (name, value) in &self.attributes {
            check_name(name)?;
            match value {
                Value::Text(text) => check_text(name, text)?,
                // Headers tell it as text: what is none there is none here.
                _ => check_text(name, &value.text())?,
            }
        }
        Ok(())
    }

    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.iter().map(|(name, v)| (name.as_str(), v))
    }

    /// As text; `None`: it has no such attribute.
    pub fn get(&self, name: &str) -> Option<String> {
        self.attributes.get(name).map(Value::text)
    }

    /// One that is always there.
    fn always(&self, name: &str) -> &str {
        match self.attributes.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub fn id(&self) -> &str {
        self.always("id")
    }
    pub fn source(&self) -> &str {
        self.always("source")
    }
    pub fn kind(&self) -> &str {
        self.always("type")
    }

    pub fn content_type(&self) -> Option<&str> {
        Some(self.always("datacontenttype")).filter(|t| !t.is_empty())
    }

    /// What says that another event is the same: source and id.
    pub fn digest(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update((self.source().len() as u64).to_be_bytes());
        hash.update(self.source());
        hash.update(self.id());
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        first
    }

    /// The attributes, to be kept beside the data.
    pub fn keep(&self) -> Vec<u8> {
        serde_json::to_vec(&self.attributes).unwrap_or_default()
    }

    /// `None`: this is nothing that `keep` wrote.
    pub fn kept(head: &[u8], data: Vec<u8>) -> Option<Event> {
        Event::new(serde_json::from_slice(head).ok()?, data).ok()
    }
}

fn check_name(name: &str) -> Result<(), Bad> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match !name.is_empty() && name.len() <= NAME && name.bytes().all(good) {
        true => Ok(()),
        false => bad(format!(
            "`{}` is no name of an attribute: lower-case letters and digits, at most {NAME}",
            short(name)
        )),
    }
}

fn check_text(name: &str, text: &str) -> Result<(), Bad> {
    if text.chars().any(char::is_control) {
        return bad(format!("`{name}` has a control character in it"));
    }
    match name {
        "time" if text.parse::<jiff::Timestamp>().is_err() => bad(format!(
            "`time` is `{}`; write it like 2030-01-31T18:00:00Z",
            short(text)
        )),
        "source" | "dataschema" if text.contains(char::is_whitespace) => {
            bad(format!("`{name}` is a URI and has a space in it"))
        }
        "datacontenttype" if !text.is_ascii() => bad("`datacontenttype` is no media type"),
        "datacontenttype" | "dataschema" | "subject" if text.is_empty() => {
            bad(format!("`{name}` is empty; leave it out"))
        }
        _ => Ok(()),
    }
}

/// What a message repeats of what somebody sent.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn of(pairs: &[(&str, &str)], data: &[u8]) -> Result<Event, Bad> {
        let mut all: BTreeMap<String, Value> = [
            ("specversion", "1.0"),
            ("id", "1"),
            ("source", "/shop"),
            ("type", "order.placed"),
        ]
        .map(|(n, v)| (n.to_owned(), Value::Text(v.into())))
        .into();
        for (name, value) in pairs {
            all.insert((*name).into(), Value::Text((*value).into()));
        }
        Event::new(all, data.to_vec())
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(of(&[("subject", "7"), ("time", "2030-01-31T18:00:00.1Z")], b"").is_ok());
        let big = "x".repeat(SIZE);
        for (name, value, said) in [
            ("specversion", "0.3", "1.0 is read here"),
            ("id", "", "`id` is empty"),
            ("time", "tomorrow", "write it like"),
            ("Upper", "x", "no name of an attribute"),
            ("x-y", "x", "no name of an attribute"),
            ("subject", "a\nb", "control character"),
            ("source", "a b", "space"),
            ("big", &big[..], "bytes"),
        ] {
            let Bad(what) = of(&[(name, value)], b"").unwrap_err();
            assert!(what.contains(said), "{what}");
        }
        let none = Event::new(BTreeMap::new(), Vec::new()).unwrap_err();
        assert!(none.0.contains("no CloudEvent"));
    }

    #[test]
    fn it_is_kept_and_told_apart_by_source_and_id() {
        let event = of(&[("subject", "é")], b"x").unwrap();
        assert_eq!(
            Event::kept(&event.keep(), b"x".to_vec()),
            Some(event.clone())
        );
        assert_eq!(Event::kept(b"no", Vec::new()), None);
        let same = of(&[("subject", "other")], b"").unwrap();
        assert_eq!(event.digest(), same.digest());
        let moved = of(&[("source", "/sho"), ("id", "p1")], b"").unwrap();
        let glued = of(&[("source", "/shop"), ("id", "1")], b"").unwrap();
        assert_ne!(moved.digest(), glued.digest());
    }
}
