//! Spans and metrics as they are sent, before they are written in one encoding or the other.

use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i64),
    Real(f64),
    Flag(bool),
}

pub type Attributes = Vec<(Cow<'static, str>, Value)>;

/// Adds a text, unless it is empty: that says nothing.
pub fn text(to: &mut Attributes, key: &'static str, value: impl Into<String>) {
    let value = value.into();
    if !value.is_empty() {
        to.push((key.into(), Value::Text(value)));
    }
}

pub fn whole(to: &mut Attributes, key: &'static str, value: impl Into<i64>) {
    to.push((key.into(), Value::Whole(value.into())));
}

/// Who sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    pub attributes: Attributes,
    /// Of this program.
    pub version: &'static str,
}

/// One span. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub trace: u128,
    pub id: u64,
    /// 0: it starts its trace.
    pub parent: u64,
    pub name: String,
    /// `SpanKind` of OTLP.
    pub kind: u8,
    pub start: u64,
    pub end: u64,
    pub attributes: Attributes,
    pub is_error: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    /// As UCUM has it; empty: not told.
    pub unit: &'static str,
    pub help: String,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Counted since the start.
    Sum(Vec<Point>),
    Gauge(Vec<Point>),
    /// Likewise.
    Histogram(Vec<Spread>),
}

impl Data {
    pub fn points(&self) -> usize {
        match self {
            Data::Sum(p) | Data::Gauge(p) => p.len(),
            Data::Histogram(p) => p.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub attributes: Attributes,
    pub value: f64,
}

/// One histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    pub attributes: Attributes,
    pub sum: f64,
    /// Upper bounds; `counts` has one more, and is not cumulative.
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
    pub exemplars: Vec<Exemplar>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    pub trace: u128,
    pub span: u64,
    pub value: f64,
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
}
