//! The log lines of an `ExportLogsServiceRequest`, in both encodings. What has no trace id is counted only, so its text is not read.

use super::json::{self, Number, Pieces};
use super::proto::{messages, text};
use super::wire::{Fields, Value};
use super::{ATTRIBUTES, Encoding, Malformed, proto};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;
use traces::{Line, Severity, TEXT, cut};

/// Lines taken of one request; the rest is rejected, and said to be.
pub const LINES: usize = 20_000;
/// Values within values that are read of a body.
const DEEP: usize = 8;
/// Longest body in JSON that is read as values; of a longer one the beginning is kept as it is, bytes.
const STRUCTURE: usize = 64 << 10;

/// The lines of one request.
#[derive(Debug, Default, PartialEq)]
pub struct Logs {
    /// With the trace; 0: it has none, and its text is empty.
    pub lines: Vec<(u128, Line)>,
    pub over: u64,
}

impl Logs {
    pub fn complaint(&self) -> String {
        match self.over {
            0 => String::new(),
            over => format!("{over} log records over the {LINES} of one request"),
        }
    }

    fn is_full(&mut self) -> bool {
        let full = self.lines.len() >= LINES;
        self.over += u64::from(full);
        full
    }
}

/// # Errors
/// When it is no such request.
pub fn logs(bytes: &[u8], encoding: Encoding) -> Result<Logs, Malformed> {
    match encoding {
        Encoding::Protobuf => of_proto(bytes),
        Encoding::Json => of_json(bytes),
    }
}

fn of_proto(request: &[u8]) -> Result<Logs, Malformed> {
    let mut out = Logs::default();
    for resource_logs in messages(request, 1) {
        let resource_logs = resource_logs?;
        let mut service = Box::from("");
        for resource in messages(resource_logs, 1) {
            service = proto::service_of(resource?)?;
        }
        for scope_logs in messages(resource_logs, 2) {
            for record in messages(scope_logs?, 2) {
                let record = record?;
                if !out.is_full() {
                    out.lines.push(proto_line(record, &service)?);
                }
            }
        }
    }
    Ok(out)
}

fn proto_line(record: &[u8], service: &str) -> Result<(u128, Line), Malformed> {
    let (mut at, mut observed, mut severity) = (0, 0, 0);
    let (mut trace, mut span, mut body) = (&[][..], &[][..], &[][..]);
    for field in Fields::of(record) {
        match field? {
            (1, v) => at = v.number()?,
            (2, v) => severity = v.number()?,
            (5, v) => body = v.bytes()?,
            (9, v) => trace = v.bytes()?,
            (10, v) => span = v.bytes()?,
            (11, v) => observed = v.number()?,
            _ => {}
        }
    }
    let trace = trace.try_into().map_or(0, u128::from_be_bytes);
    let mut said = Said::default();
    if trace != 0 {
        said.proto(body, DEEP)?;
        let (mut kind, mut message) = ("", "");
        for attribute in messages(record, 6).take(ATTRIBUTES) {
            match key_text(attribute?)? {
                ("exception.type", value) => kind = value,
                ("exception.message", value) => message = value,
                _ => {}
            }
        }
        said.exception(kind, message);
    }
    let line = said.line(service, severity, if at > 0 { at } else { observed });
    let span = span.try_into().map_or(0, u64::from_be_bytes);
    Ok((trace, Line { span, ..line }))
}

fn key_text(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let (mut key, mut value) = ("", "");
    for field in Fields::of(message) {
        match field? {
            (1, v) => key = text(v.bytes()?),
            (2, v) => {
                if let Some(Ok((1, Value::Bytes(b)))) = Fields::of(v.bytes()?).next() {
                    value = text(b);
                }
            }
            _ => {}
        }
    }
    Ok((key, value))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_logs: Pieces<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    scope_logs: Pieces<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow, default)]
    log_records: Pieces<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record<'a> {
    #[serde(borrow)]
    time_unix_nano: Number<'a>,
    #[serde(borrow)]
    observed_time_unix_nano: Number<'a>,
    #[serde(borrow)]
    severity_number: Number<'a>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Pieces<'a>,
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    span_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct KeyText<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    #[serde(borrow)]
    string_value: Option<Cow<'a, str>>,
}

fn of_json(request: &[u8]) -> Result<Logs, Malformed> {
    let mut out = Logs::default();
    let request: Request = json::read(json::text(request)?)?;
    out.over += request.resource_logs.more;
    for piece in request.resource_logs.pieces {
        let resource_logs: ResourceLogs = json::read(piece.get())?;
        let service = match resource_logs.resource {
            Some(resource) => json::service_of(resource)?,
            None => "".into(),
        };
        out.over += resource_logs.scope_logs.more;
        for piece in resource_logs.scope_logs.pieces {
            let scope: ScopeLogs = json::read(piece.get())?;
            out.over += scope.log_records.more;
            for piece in scope.log_records.pieces {
                if !out.is_full() {
                    out.lines.push(json_line(piece, &service)?);
                }
            }
        }
    }
    Ok(out)
}

fn json_line(piece: &RawValue, service: &str) -> Result<(u128, Line), Malformed> {
    let r: Record = json::read(piece.get())?;
    let trace = json::hex(&r.trace_id, 32).unwrap_or(0);
    let mut said = Said::default();
    if trace != 0 {
        said.json(r.body);
        let (mut kind, mut message) = (Cow::default(), Cow::default());
        for piece in r.attributes.pieces.into_iter().take(ATTRIBUTES) {
            // Values of other kinds are none that is looked for.
            let Ok(a) = serde_json::from_str::<KeyText>(piece.get()) else {
                continue;
            };
            let value = a.value.and_then(|v| v.string_value).unwrap_or_default();
            match &*a.key {
                "exception.type" => kind = value,
                "exception.message" => message = value,
                _ => {}
            }
        }
        said.exception(&kind, &message);
    }
    let at = match r.time_unix_nano.whole() {
        0 => r.observed_time_unix_nano.whole(),
        at => at,
    };
    let span = json::hex(&r.span_id, 16).unwrap_or(0) as u64;
    let line = said.line(service, r.severity_number.whole(), at);
    Ok((trace, Line { span, ..line }))
}

/// The text of a line while it is read.
#[derive(Default)]
struct Said {
    text: String,
    cut: bool,
}

impl Said {
    fn is_full(&self) -> bool {
        self.text.len() > TEXT
    }

    fn add(&mut self, more: &str) {
        let (more, less) = cut(more, (TEXT + 1).saturating_sub(self.text.len()));
        self.text.push_str(more);
        self.cut |= less;
    }

    /// An `AnyValue`.
    fn proto(&mut self, value: &[u8], deep: usize) -> Result<(), Malformed> {
        for field in Fields::of(value) {
            match field? {
                (1, Value::Bytes(b)) => self.add(text(b)),
                (2, Value::Number(n)) => self.add(if n == 0 { "false" } else { "true" }),
                (3, Value::Number(n)) => self.add(&(n as i64).to_string()),
                (4, Value::Number(n)) => self.add(&f64::from_bits(n).to_string()),
                (5 | 6, Value::Bytes(_)) if deep == 0 => self.add("…"),
                (5, Value::Bytes(list)) => {
                    for (i, value) in messages(list, 1).enumerate() {
                        self.between(i);
                        if self.is_full() {
                            break;
                        }
                        self.proto(value?, deep - 1)?;
                    }
                }
                (6, Value::Bytes(list)) => {
                    for (i, pair) in messages(list, 1).enumerate() {
                        self.between(i);
                        if self.is_full() {
                            break;
                        }
                        self.pair(pair?, deep - 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn between(&mut self, i: usize) {
        if i > 0 {
            self.add(" ");
        }
    }

    fn pair(&mut self, pair: &[u8], deep: usize) -> Result<(), Malformed> {
        for field in Fields::of(pair) {
            match field? {
                (1, Value::Bytes(key)) => {
                    self.add(text(key));
                    self.add("=");
                }
                (2, Value::Bytes(value)) => self.proto(value, deep)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn json(&mut self, body: Option<&RawValue>) {
        let Some(body) = body else { return };
        if let Ok(Text {
            string_value: Some(text),
        }) = serde_json::from_str(body.get())
        {
            self.add(&text);
        } else if body.get().len() > STRUCTURE {
            self.add(body.get());
        } else {
            match serde_json::from_str(body.get()) {
                Ok(value) => self.any(&value, DEEP),
                // Deeper than can be read.
                Err(_) => self.add(body.get()),
            }
        }
    }

    /// An `AnyValue` of JSON.
    fn any(&mut self, value: &serde_json::Value, deep: usize) {
        use serde_json::Value as V;
        for (kind, value) in value.as_object().into_iter().flatten() {
            match (kind.as_str(), value) {
                ("kvlistValue" | "arrayValue", _) if deep == 0 => self.add("…"),
                ("kvlistValue", list) => {
                    for (i, pair) in list["values"].as_array().into_iter().flatten().enumerate() {
                        self.between(i);
                        self.add(pair["key"].as_str().unwrap_or(""));
                        self.add("=");
                        self.any(&pair["value"], deep - 1);
                    }
                }
                ("arrayValue", list) => {
                    for (i, value) in list["values"].as_array().into_iter().flatten().enumerate() {
                        self.between(i);
                        self.any(value, deep - 1);
                    }
                }
                (_, V::String(s)) if kind != "bytesValue" => self.add(s),
                (_, V::Bool(_) | V::Number(_)) => self.add(&value.to_string()),
                _ => {}
            }
        }
    }

    fn exception(&mut self, kind: &str, message: &str) {
        if !kind.is_empty() || !message.is_empty() {
            let mut more = String::new();
            let (kind, message) = (cut(kind, TEXT).0, cut(message, TEXT).0);
            let _ = write!(more, "\n{kind}: {message}");
            self.add(&more);
        }
    }

    fn line(self, service: &str, severity: u64, at: u64) -> Line {
        let (text, less) = cut(&self.text, TEXT);
        Line {
            at,
            service: service.into(),
            severity: Severity::of(severity),
            text: text.into(),
            cut: self.cut || less,
            ..Line::default()
        }
    }
}
