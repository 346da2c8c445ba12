//! What is kept of a trace: requests of the gateway, spans, and log lines. All of it has a bound.

use crate::{LINE_BYTES, LINES, SPAN_BYTES, SPANS, hex};
use serde::{Deserialize, Serialize};

/// One span. Times are nanoseconds since the Unix epoch, by the clock of who made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    #[serde(with = "hex::span_id")]
    pub id: u64,
    /// 0: it starts its trace.
    #[serde(with = "hex::span_id")]
    pub parent: u64,
    /// `plimsoll` for the gateway's own.
    pub service: Box<str>,
    pub name: Box<str>,
    /// `SpanKind` of OTLP.
    pub kind: u8,
    pub start: u64,
    pub end: u64,
    pub error: bool,
    /// Few, and short.
    pub attributes: Vec<(Box<str>, Box<str>)>,
}

impl Span {
    /// Memory that it takes, bytes.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let texts = attributes.map(|(k, v)| size_of::<(Box<str>, Box<str>)>() + k.len() + v.len());
        size_of::<Span>() + self.service.len() + self.name.len() + texts.sum::<usize>()
    }

    /// Nanoseconds; 0 when its clock was set back meanwhile.
    pub fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// How bad a log line is, as OpenTelemetry has it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    #[default]
    Unspecified,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    pub const ALL: [Severity; 7] = [
        Severity::Unspecified,
        Severity::Trace,
        Severity::Debug,
        Severity::Info,
        Severity::Warn,
        Severity::Error,
        Severity::Fatal,
    ];

    /// Of a `SeverityNumber`: four to each.
    pub fn of(number: u64) -> Severity {
        match number {
            1..=4 => Severity::Trace,
            5..=8 => Severity::Debug,
            9..=12 => Severity::Info,
            13..=16 => Severity::Warn,
            17..=20 => Severity::Error,
            21..=24 => Severity::Fatal,
            _ => Severity::Unspecified,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Severity::Unspecified => "unspecified",
            Severity::Trace => "trace",
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// One log line of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The span that was open; 0: not told.
    #[serde(with = "hex::span_id")]
    pub span: u64,
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
    pub service: Box<str>,
    pub severity: Severity,
    pub text: Box<str>,
    /// There was more text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Line {
    pub fn bytes(&self) -> usize {
        size_of::<Line>() + self.service.len() + self.text.len()
    }
}

/// The request that a trace was kept for: the earliest, when there are more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Empty: none matched.
    pub route: Box<str>,
    pub method: Box<str>,
    /// 0: none was sent.
    pub status: u16,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    pub end: u64,
    /// `error`, `slow` or `share`.
    pub why: Box<str>,
}

/// What found no room in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub spans: u64,
    pub lines: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    #[serde(with = "hex::trace_id")]
    pub id: u128,
    pub head: Head,
    pub spans: Vec<Span>,
    pub lines: Vec<Line>,
    pub left_out: LeftOut,
    /// Of the spans, then of the lines.
    #[serde(skip)]
    bytes: (usize, usize),
}

impl Trace {
    pub fn new(id: u128) -> Trace {
        Trace {
            id,
            ..Trace::default()
        }
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Trace>() + self.bytes.0 + self.bytes.1
    }

    /// Counts what was read.
    pub fn weighed(mut self) -> Trace {
        let spans = self.spans.iter().map(Span::bytes).sum();
        self.bytes = (spans, self.lines.iter().map(Line::bytes).sum());
        self
    }

    /// One that is there already is not taken again: senders repeat what they got no answer for.
    pub fn add_span(&mut self, span: Span) {
        let bytes = self.bytes.0 + span.bytes();
        if self.spans.len() >= SPANS || bytes > SPAN_BYTES {
            self.left_out.spans += 1;
        } else if !self.spans.iter().any(|s| s.id == span.id) {
            self.bytes.0 = bytes;
            self.spans.push(span);
        }
    }

    pub fn add_line(&mut self, line: Line) {
        let bytes = self.bytes.1 + line.bytes();
        if self.lines.len() >= LINES || bytes > LINE_BYTES {
            self.left_out.lines += 1;
        } else if !self.lines.contains(&line) {
            self.bytes.1 = bytes;
            self.lines.push(line);
        }
    }

    /// The gateway's own come first: they find room where others have filled it.
    pub fn add_request(&mut self, head: Head, spans: Vec<Span>) {
        if self.head.start == 0 || head.start < self.head.start {
            self.head = head;
        }
        for span in spans {
            while !self.spans.is_empty()
                && (self.spans.len() >= SPANS || self.bytes.0 + span.bytes() > SPAN_BYTES)
                && self.spans.last().is_some_and(|s| s.service != span.service)
            {
                if let Some(last) = self.spans.pop() {
                    self.bytes.0 -= last.bytes();
                    self.left_out.spans += 1;
                }
            }
            self.add_span(span);
        }
    }

    /// With what was kept of the same trace before.
    pub fn join(&mut self, other: Trace) {
        if other.head.start > 0 && other.head.start < self.head.start {
            self.head = other.head;
        }
        for span in other.spans {
            self.add_span(span);
        }
        for line in other.lines {
            self.add_line(line);
        }
        self.left_out.spans += other.left_out.spans;
        self.left_out.lines += other.left_out.lines;
    }

    pub fn summary(&self) -> Summary {
        let head = &self.head;
        Summary {
            id: self.id,
            at_ms: head.start / 1_000_000,
            duration_us: head.end.saturating_sub(head.start) / 1000,
            route: head.route.clone(),
            method: head.method.clone(),
            status: head.status,
            why: head.why.clone(),
            spans: self.spans.len() as u32,
            lines: self.lines.len() as u32,
            services: self.services(),
        }
    }

    /// The first few, the gateway aside.
    fn services(&self) -> Vec<Box<str>> {
        const FEW: usize = 4;
        let mut all: Vec<Box<str>> = Vec::new();
        for s in self
            .spans
            .iter()
            .filter(|s| &*s.service != crate::view::OWN)
        {
            if all.len() < FEW && !s.service.is_empty() && !all.contains(&s.service) {
                all.push(s.service.clone());
            }
        }
        all
    }
}

/// What a list tells of a trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    #[serde(with = "hex::trace_id")]
    pub id: u128,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub duration_us: u64,
    pub route: Box<str>,
    pub method: Box<str>,
    pub status: u16,
    pub why: Box<str>,
    pub spans: u32,
    pub lines: u32,
    pub services: Vec<Box<str>>,
}

/// At most `most` bytes, whole characters; and whether that is less than all.
pub fn cut(text: &str, most: usize) -> (&str, bool) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], end < text.len())
}
