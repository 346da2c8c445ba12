//! The messages of `opentelemetry/proto/collector/*/v1` in protobuf. Unknown fields are skipped.

use super::seen::{Beside, STATUS, seen};
use super::wire::{Fields, Value};
use super::{ATTRIBUTES, Decoded, Malformed, Signal};
use crate::act::{self, Facts};
use crate::span::Span;
use ::traces::Wanted;
use std::borrow::Cow;

pub fn spans(request: &[u8], wanted: &Wanted) -> Result<Decoded, Malformed> {
    let mut out = Decoded::default();
    for resource_spans in messages(request, 1) {
        let resource_spans = resource_spans?;
        let mut service = Box::from("");
        for resource in messages(resource_spans, 1) {
            service = service_of(resource?)?;
        }
        for scope_spans in messages(resource_spans, 2) {
            for span in messages(scope_spans?, 2) {
                let span = span?;
                if out.is_full() {
                    out.over += 1;
                } else {
                    out.add(read(span, &service, wanted)?);
                }
            }
        }
    }
    Ok(out)
}

/// The messages in the fields of this number.
pub(super) fn messages(
    message: &[u8],
    field: u64,
) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(message).filter_map(move |f| match f {
        Err(e) => Some(Err(e)),
        Ok((n, value)) if n == field => Some(value.bytes()),
        Ok(_) => None,
    })
}

pub(super) fn service_of(resource: &[u8]) -> Result<Box<str>, Malformed> {
    for attribute in messages(resource, 1).take(ATTRIBUTES) {
        let named = key_value(attribute?, |key| key == "service.name")?;
        if let Some((_, Attribute::Text(name))) = named {
            return Ok(act::service(name));
        }
    }
    Ok("".into())
}

/// `None`: its ids cannot be ids.
fn read(
    span: &[u8],
    service: &str,
    wanted: &Wanted,
) -> Result<Option<(Span, traces::Span)>, Malformed> {
    let of_use = |key: &str| STATUS.contains(&key) || act::wanted(key) || wanted.has(key);
    let (mut trace, mut id, mut parent) = (&[][..], &[][..], &[][..]);
    let (mut start, mut end) = (0, 0);
    let mut facts = Facts::default();
    let mut beside = Beside::default();
    let mut attributes = 0;
    for field in Fields::of(span) {
        match field? {
            (1, v) => trace = v.bytes()?,
            (2, v) => id = v.bytes()?,
            (4, v) => parent = v.bytes()?,
            (5, v) => {
                beside.name = text(v.bytes()?);
                facts.name = Cow::Borrowed(beside.name);
            }
            (6, v) => {
                facts.kind = v.number()?;
                beside.kind = facts.kind;
            }
            (7, v) => start = v.number()?,
            (8, v) => end = v.number()?,
            (9, v) if attributes < ATTRIBUTES => {
                attributes += 1;
                let Some((key, value)) = key_value(v.bytes()?, of_use)? else {
                    continue;
                };
                if wanted.has(key) {
                    value.tell(key, &mut beside);
                }
                match value {
                    Attribute::Text(t) => facts.text(key, t.into()),
                    Attribute::Flag(_) => {}
                    number if STATUS.contains(&key) => beside.status = Some(number.number()),
                    number => facts.number(key, number.number()),
                }
            }
            (15, v) => (beside.failed, beside.why) = status(v.bytes()?)?,
            _ => {}
        }
    }
    let parent = match parent {
        [] => Some(0),
        parent => parent.try_into().ok().map(u64::from_be_bytes),
    };
    let id = id.try_into().ok().map(u64::from_be_bytes);
    let trace = trace.try_into().ok().map(u128::from_be_bytes);
    let (Some(trace), Some(id), Some(parent)) =
        (trace.filter(|t| *t > 0), id.filter(|i| *i > 0), parent)
    else {
        return Ok(None);
    };
    let span = Span {
        trace,
        id,
        parent,
        start,
        end,
        service: service.into(),
        act: facts.act(),
    };
    let seen = seen(&span, beside);
    Ok(Some((span, seen)))
}

/// Whether a span failed, and why.
fn status(message: &[u8]) -> Result<(bool, &str), Malformed> {
    const ERROR: u64 = 2;
    let mut said = (false, "");
    for field in Fields::of(message) {
        match field? {
            (2, v) => said.1 = text(v.bytes()?),
            (3, v) => said.0 = v.number()? == ERROR,
            _ => {}
        }
    }
    Ok(said)
}

#[derive(Clone, Copy)]
enum Attribute<'a> {
    Text(&'a str),
    Flag(bool),
    Whole(i64),
    Real(f64),
}

impl Attribute<'_> {
    fn number(self) -> f64 {
        match self {
            Attribute::Whole(n) => n as f64,
            Attribute::Real(x) => x,
            Attribute::Text(_) | Attribute::Flag(_) => f64::NAN,
        }
    }

    fn tell(self, key: &str, beside: &mut Beside<'_>) {
        match self {
            Attribute::Text(t) => beside.tell(key, t),
            Attribute::Flag(b) => beside.tell(key, b),
            Attribute::Whole(n) => beside.tell(key, n),
            Attribute::Real(x) => beside.tell(key, x),
        }
    }
}

/// A `KeyValue`; `None`: of no use.
fn key_value(
    message: &[u8],
    of_use: impl Fn(&str) -> bool,
) -> Result<Option<(&str, Attribute<'_>)>, Malformed> {
    let (mut key, mut value) = ("", &[][..]);
    for field in Fields::of(message) {
        match field? {
            (1, v) => key = text(v.bytes()?),
            (2, v) => value = v.bytes()?,
            _ => {}
        }
    }
    if !of_use(key) {
        return Ok(None);
    }
    let mut read = None;
    for field in Fields::of(value) {
        read = match field? {
            (1, Value::Bytes(b)) => Some(Attribute::Text(text(b))),
            (2, Value::Number(n)) => Some(Attribute::Flag(n != 0)),
            (3, Value::Number(n)) => Some(Attribute::Whole(n as i64)),
            (4, Value::Number(n)) => Some(Attribute::Real(f64::from_bits(n))),
            _ => read,
        };
    }
    Ok(read.map(|v| (key, v)))
}

/// Text as far as it is text.
pub(super) fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(t) => t,
        Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or(""),
    }
}

/// Numbers of the fields that lead to what is counted.
fn path(signal: Signal) -> &'static [&'static [u64]] {
    match signal {
        Signal::Traces | Signal::Logs => &[&[1], &[2], &[2]],
        // Resource, scope, metric, its kind, its points.
        Signal::Metrics => &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]],
    }
}

pub fn count(request: &[u8], signal: Signal) -> Result<u64, Malformed> {
    at(request, path(signal))
}

fn at(message: &[u8], path: &[&[u64]]) -> Result<u64, Malformed> {
    let Some((fields, further)) = path.split_first() else {
        return Ok(1);
    };
    let mut sum = 0;
    for field in Fields::of(message) {
        let (number, value) = field?;
        if fields.contains(&number) {
            sum += at(value.bytes()?, further)?;
        }
    }
    Ok(sum)
}
