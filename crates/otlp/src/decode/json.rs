//! The same messages in JSON: names in lowerCamelCase, ids in hexadecimal, enums as numbers, 64-bit numbers as text.
//!
//! Each list is read as pieces of the text, and its pieces one after another.

use super::seen::{Beside, STATUS, seen};
use super::{ATTRIBUTES, Decoded, Malformed, Signal};
use crate::act::{self, Facts};
use crate::span::Span;
use ::traces::Wanted;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Pieces of one list that are kept, 16 bytes each; more are counted only.
const PIECES: usize = 100_000;

pub fn spans(request: &[u8], wanted: &Wanted) -> Result<Decoded, Malformed> {
    let mut out = Decoded::default();
    let request: Request = read(text(request)?)?;
    out.over += request.resource_spans.more;
    for piece in request.resource_spans.pieces {
        let resource_spans: ResourceSpans = read(piece.get())?;
        let service = match resource_spans.resource {
            Some(resource) => service_of(resource)?,
            None => "".into(),
        };
        out.over += resource_spans.scope_spans.more;
        for piece in resource_spans.scope_spans.pieces {
            let scope: ScopeSpans = read(piece.get())?;
            out.over += scope.spans.more;
            for piece in scope.spans.pieces {
                if out.is_full() {
                    out.over += 1;
                } else {
                    out.add(span(piece, &service, wanted)?);
                }
            }
        }
    }
    Ok(out)
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("this is not JSON: it is not UTF-8".into()))
}

pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(malformed)
}

pub(super) fn malformed(e: serde_json::Error) -> Malformed {
    Malformed(format!("this is not JSON of OTLP: {e}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_spans: Pieces<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    scope_spans: Pieces<'a>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow, default)]
    spans: Pieces<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Pieces<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonSpan<'a> {
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    span_id: Cow<'a, str>,
    #[serde(borrow)]
    parent_span_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    kind: u64,
    #[serde(borrow)]
    start_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    end_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    attributes: Pieces<'a>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    code: Number<'a>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<AnyValue<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Cow<'a, str>>,
    /// As it is written: one that is none spoils nothing else.
    #[serde(borrow)]
    bool_value: Option<&'a RawValue>,
    #[serde(borrow)]
    int_value: Option<Number<'a>>,
    #[serde(borrow)]
    double_value: Option<Number<'a>>,
}

impl AnyValue<'_> {
    fn tell(&self, key: &str, beside: &mut Beside<'_>) {
        match self {
            AnyValue {
                string_value: Some(t),
                ..
            } => beside.tell(key, t),
            AnyValue {
                bool_value: Some(flag),
                ..
            } if matches!(flag.get(), "true" | "false") => beside.tell(key, flag.get()),
            AnyValue {
                int_value: Some(Number::Text(digits)),
                ..
            } => beside.tell(key, digits),
            AnyValue {
                int_value: Some(n), ..
            }
            | AnyValue {
                double_value: Some(n),
                ..
            } => beside.tell(key, n.float()),
            _ => {}
        }
    }
}

/// A number, or one as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number<'a> {
    Whole(u64),
    Other(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

impl Default for Number<'_> {
    fn default() -> Self {
        Number::Whole(0)
    }
}

impl Number<'_> {
    pub fn whole(&self) -> u64 {
        match self {
            Number::Whole(n) => *n,
            Number::Other(n) => *n as u64,
            Number::Text(t) => t.parse().unwrap_or(0),
        }
    }
    fn float(&self) -> f64 {
        match self {
            Number::Whole(n) => *n as f64,
            Number::Other(n) => *n,
            Number::Text(t) => t.parse().unwrap_or(f64::NAN),
        }
    }
}

fn span(
    piece: &RawValue,
    service: &str,
    wanted: &Wanted,
) -> Result<Option<(Span, traces::Span)>, Malformed> {
    let s: JsonSpan = read(piece.get())?;
    let parent = match s.parent_span_id.len() {
        0 => Some(0),
        _ => hex(&s.parent_span_id, 16),
    };
    let (trace, id) = (hex(&s.trace_id, 32), hex(&s.span_id, 16));
    let (Some(trace), Some(id), Some(parent)) =
        (trace.filter(|t| *t > 0), id.filter(|i| *i > 0), parent)
    else {
        return Ok(None);
    };
    const ERROR: u64 = 2;
    let told = s.status.unwrap_or_default();
    let name = s.name.clone();
    let mut beside = Beside {
        name: &name,
        kind: s.kind,
        failed: told.code.whole() == ERROR,
        why: told.message.as_deref().unwrap_or(""),
        ..Beside::default()
    };
    let mut facts = Facts::new(s.name, s.kind);
    for piece in s.attributes.pieces.into_iter().take(ATTRIBUTES) {
        let a: KeyValue = read(piece.get())?;
        let is_status = STATUS.contains(&&*a.key);
        let is_wanted = wanted.has(&a.key);
        let of_use = is_wanted || is_status || act::wanted(&a.key);
        let Some(value) = a.value.filter(|_| of_use) else {
            continue;
        };
        if is_wanted {
            value.tell(&a.key, &mut beside);
        }
        if is_status {
            beside.status = value.int_value.map(|n| n.float()).or(beside.status);
            continue;
        }
        if let Some(n) = value.int_value.or(value.double_value) {
            facts.number(&a.key, n.float());
        }
        if let Some(t) = value.string_value {
            facts.text(&a.key, t);
        }
    }
    let span = Span {
        trace,
        id: id as u64,
        parent: parent as u64,
        start: s.start_time_unix_nano.whole(),
        end: s.end_time_unix_nano.whole(),
        service: service.into(),
        act: facts.act(),
    };
    let seen = seen(&span, beside);
    Ok(Some((span, seen)))
}

pub(super) fn hex(digits: &str, length: usize) -> Option<u128> {
    let good = digits.len() == length && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(digits, 16).ok().filter(|_| good)
}

pub(super) fn service_of(resource: &RawValue) -> Result<Box<str>, Malformed> {
    let resource: Option<Resource> = read(resource.get())?;
    let all = resource.into_iter().flat_map(|r| r.attributes.pieces);
    for piece in all.take(ATTRIBUTES) {
        let a: KeyValue = read(piece.get())?;
        if a.key == "service.name" {
            let name = a.value.and_then(|v| v.string_value);
            return Ok(act::service(name.as_deref().unwrap_or("")));
        }
    }
    Ok("".into())
}

/// The members of a list as text; `null` is an empty one.
#[derive(Default)]
pub(super) struct Pieces<'a> {
    pub pieces: Vec<&'a RawValue>,
    pub more: u64,
}

impl<'de: 'a, 'a> Deserialize<'de> for Pieces<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(List)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Pieces<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_unit<E>(self) -> Result<Pieces<'de>, E> {
        Ok(Pieces::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pieces<'de>, A::Error> {
        let mut out = Pieces::default();
        while out.pieces.len() < PIECES {
            match seq.next_element()? {
                Some(piece) => out.pieces.push(piece),
                None => return Ok(out),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            out.more += 1;
        }
        Ok(out)
    }
}

/// The values of the members with these names, as text.
struct Members<'n>(&'n [&'n str]);

/// Members of one object that are kept.
const MEMBERS: usize = 16;

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(name) = map.next_key::<Cow<str>>()? {
            if out.len() < MEMBERS && self.0.contains(&&*name) {
                out.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(out)
    }
}

/// Names of the members that lead to what is counted.
fn path(signal: Signal) -> &'static [&'static [&'static str]] {
    const KINDS: &[&str] = &[
        "gauge",
        "sum",
        "histogram",
        "exponentialHistogram",
        "summary",
    ];
    match signal {
        Signal::Traces => &[&["resourceSpans"], &["scopeSpans"], &["spans"]],
        Signal::Logs => &[&["resourceLogs"], &["scopeLogs"], &["logRecords"]],
        Signal::Metrics => &[
            &["resourceMetrics"],
            &["scopeMetrics"],
            &["metrics"],
            KINDS,
            &["dataPoints"],
        ],
    }
}

pub fn count(request: &[u8], signal: Signal) -> Result<u64, Malformed> {
    at(text(request)?, path(signal))
}

fn at(message: &str, path: &[&[&str]]) -> Result<u64, Malformed> {
    let Some((names, further)) = path.split_first() else {
        return Ok(1);
    };
    let mut text = serde_json::Deserializer::from_str(message);
    let members = Members(names).deserialize(&mut text).map_err(malformed)?;
    let mut sum = 0;
    for value in members {
        if !value.get().starts_with('[') {
            sum += at(value.get(), further)?;
            continue;
        }
        let list: Pieces = read(value.get())?;
        sum += list.more;
        for piece in list.pieces {
            sum += at(piece.get(), further)?;
        }
    }
    Ok(sum)
}
