//! A span as it is kept and shown: its name, what it called, whether and how it failed. Attributes are not taken over: they hold
//! what people typed, and have no bound.

use crate::span::{Act, Span};
use traces::{NAME, cut};

/// What is read beside a [`Span`].
#[derive(Default)]
pub struct Beside<'a> {
    pub name: &'a str,
    pub kind: u64,
    /// `Status` of the span.
    pub failed: bool,
    pub why: &'a str,
    /// `http.response.status_code`.
    pub status: Option<f64>,
}

/// The names of the status of an answer, the newest first.
pub const STATUS: [&str; 2] = ["http.response.status_code", "http.status_code"];

pub fn seen(span: &Span, beside: &Beside<'_>) -> traces::Span {
    let mut attributes = Vec::new();
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            attributes.push((key.into(), cut(value, NAME).0.into()));
        }
    };
    match &span.act {
        Act::Database { system, shape, .. } => {
            add("db.system", system);
            add("statement", shape);
        }
        Act::Call { to } => add("call", to),
        Act::Hold { resource, .. } => add("resource", resource),
        Act::Work | Act::Connect => {}
    }
    if let Some(status) = beside.status {
        add("status", &format!("{status:.0}"));
    }
    add("error", beside.why);
    traces::Span {
        id: span.id,
        parent: span.parent,
        service: span.service.clone(),
        name: cut(beside.name, NAME).0.into(),
        kind: u8::try_from(beside.kind).unwrap_or(0),
        start: span.start,
        end: span.end,
        error: beside.failed,
        attributes,
    }
}
