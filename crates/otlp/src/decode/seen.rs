//! A span as it is kept and shown: its name, what it called, whether and how it failed. Of its attributes only those that are
//! wanted are taken over: others hold what people typed.

use crate::span::{Act, Span};
use std::fmt::Display;
use traces::{ATTRIBUTES, NAME, cut};

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
    /// Attributes that are wanted.
    pub told: Vec<(Box<str>, Box<str>)>,
}

impl Beside<'_> {
    /// The first of a name counts.
    pub fn tell(&mut self, key: &str, value: impl Display) {
        if self.told.len() < ATTRIBUTES && !self.told.iter().any(|t| *t.0 == *key) {
            let value = value.to_string();
            self.told.push((key.into(), cut(&value, NAME).0.into()));
        }
    }
}

/// The names of the status of an answer, the newest first.
pub const STATUS: [&str; 2] = ["http.response.status_code", "http.status_code"];

pub fn seen(span: &Span, beside: Beside<'_>) -> traces::Span {
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
    // What is called says its system already.
    let is_said = |key: &str| key.starts_with("db.system") && span.is_of_database();
    let told = beside.told.into_iter();
    attributes.extend(told.filter(|(key, value)| !value.is_empty() && !is_said(key)));
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
