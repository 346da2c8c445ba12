//! A trace as a person reads it: a waterfall with self time and critical path, and its log lines.

use crate::hex;
use crate::trace::{Line, Severity, Span, Summary, Trace};
use crate::tree::{Tree, critical, own, tree};
use serde::{Deserialize, Serialize};

/// `service` of the gateway's own spans.
pub const OWN: &str = "plimsoll";
/// A span that lies further from the request than this, and than the request was long, has another clock, nanoseconds.
const FAR: u64 = 60_000_000_000;

/// Times are microseconds after the request began; before it, they are negative.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    #[serde(flatten)]
    pub summary: Summary,
    /// From the first start to the last end that is drawn.
    pub from_us: i64,
    pub to_us: i64,
    /// In the order of reading.
    pub rows: Vec<Row>,
    pub said: Vec<Said>,
    /// What is odd about it, for people.
    pub notes: Vec<String>,
}

/// One span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    #[serde(with = "hex::span_id")]
    pub id: u64,
    #[serde(with = "hex::span_id")]
    pub parent: u64,
    pub depth: u16,
    pub service: Box<str>,
    pub name: Box<str>,
    pub kind: Box<str>,
    pub start_us: i64,
    pub duration_us: u64,
    /// In which nothing below it ran.
    pub self_us: u64,
    /// Of the critical path.
    pub critical_us: u64,
    pub error: bool,
    /// Its clock is far off: it is drawn at the edge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub far: bool,
    pub attributes: Vec<(Box<str>, Box<str>)>,
}

/// One log line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub at_us: i64,
    #[serde(with = "hex::span_id")]
    pub span: u64,
    pub service: Box<str>,
    pub severity: Severity,
    pub text: Box<str>,
    pub cut: bool,
}

impl View {
    /// What the gateway tells of the request under this name.
    pub fn told(&self, key: &str) -> Option<&str> {
        let own = |r: &&Row| &*r.service == OWN && &*r.kind == "server";
        let told = &self.rows.iter().find(own)?.attributes;
        told.iter().find(|a| &*a.0 == key).map(|a| &*a.1)
    }

    pub fn of(trace: &Trace) -> View {
        let spans = &trace.spans;
        let tree = tree(spans);
        let zero = trace.head.start;
        let main = main(&tree, spans);
        let on_path = main.map_or_else(Vec::new, |root| critical(&tree, spans, root));
        let rows: Vec<Row> = (tree.order.iter())
            .map(|&(i, depth)| Row {
                depth,
                start_us: micros(spans[i].start, zero),
                self_us: own(&tree, spans, i) / 1000,
                critical_us: on_path.get(i).map_or(0, |ns| ns / 1000),
                far: is_far(trace, &spans[i]),
                ..row(&spans[i])
            })
            .collect();
        let drawn = || rows.iter().filter(|r| !r.far);
        let ends = drawn().map(|r| r.start_us.saturating_add_unsigned(r.duration_us));
        let took = (trace.head.end.saturating_sub(zero) / 1000) as i64;
        let mut said: Vec<Said> = trace.lines.iter().map(|l| line(l, zero)).collect();
        said.sort_by_key(|s| s.at_us);
        View {
            summary: trace.summary(),
            from_us: drawn().map(|r| r.start_us).min().unwrap_or(0).min(0),
            to_us: ends.max().unwrap_or(0).max(took).max(1),
            notes: notes(trace, &tree, rows.iter().filter(|r| r.far).count()),
            rows,
            said,
        }
    }
}

/// The gateway's request if it is there, else what took longest.
fn main(tree: &Tree, spans: &[Span]) -> Option<usize> {
    let own = tree.roots.iter().find(|&&r| &*spans[r].service == OWN);
    let longest = || tree.roots.iter().max_by_key(|&&r| spans[r].length());
    own.or_else(longest).copied()
}

fn micros(at: u64, zero: u64) -> i64 {
    let ns = i128::from(at) - i128::from(zero);
    i64::try_from(ns / 1000).unwrap_or(i64::MAX)
}

fn is_far(trace: &Trace, span: &Span) -> bool {
    let room = FAR.max(trace.head.end.saturating_sub(trace.head.start));
    span.start > trace.head.end.saturating_add(room)
        || span.end.saturating_add(room) < trace.head.start
        || span.length() > 2 * room
}

fn row(span: &Span) -> Row {
    let kind = match span.kind {
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "internal",
    };
    Row {
        id: span.id,
        parent: span.parent,
        service: span.service.clone(),
        name: span.name.clone(),
        kind: kind.into(),
        duration_us: span.length() / 1000,
        error: span.error,
        attributes: span.attributes.clone(),
        ..Row::default()
    }
}

fn line(l: &Line, zero: u64) -> Said {
    Said {
        at_us: micros(l.at, zero),
        span: l.span,
        service: l.service.clone(),
        severity: l.severity,
        text: l.text.clone(),
        cut: l.cut,
    }
}

fn notes(trace: &Trace, tree: &Tree, far: usize) -> Vec<String> {
    let back = trace.spans.iter().filter(|s| s.end < s.start).count();
    // The gateway's request names whoever asked, who is outside.
    let own = |r: &&usize| {
        let span = &trace.spans[**r];
        span.parent != 0 && &*span.service == OWN
    };
    let orphans = tree.orphans - tree.roots.iter().filter(own).count().min(tree.orphans);
    let all = [
        (
            trace.left_out.spans,
            "Spans left out (a trace has at most 1000, and 512 KiB of them)",
        ),
        (
            trace.left_out.lines,
            "Log lines left out (a trace has at most 256, and 64 KiB of them)",
        ),
        (
            orphans as u64,
            "Spans whose parent is not here, as it was not sent or not kept",
        ),
        (
            tree.circles as u64,
            "Spans that are their own ancestors: somebody mixes up ids",
        ),
        (
            back as u64,
            "Spans that end before they begin: a clock was set back",
        ),
        (
            far as u64,
            "Spans far from the request, drawn at the edge: the clock of who made them is off",
        ),
    ];
    let told = all.iter().filter(|(n, _)| *n > 0);
    told.map(|(n, what)| format!("{what}: {n}.")).collect()
}

#[cfg(test)]
mod tests;
