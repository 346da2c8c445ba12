//! How full each resource is, the binding one first.

use crate::pages::parts::{meter, tone};
use base::number::{percent, rate, times};
use maud::{Markup, html};
use model::Answer;
use model::diagnose::{ResourceRow, Verdict};

/// Shown at once, at most and at least; the others are below a fold.
const FIRST: usize = 7;
const LEAST: usize = 4;
/// Nearer to full than this is worth a look.
const IDLE: f64 = 0.02;

pub fn bars(a: &Answer) -> Markup {
    let d = &a.diagnosis;
    let named = matches!(d.verdict, Verdict::Constraint | Verdict::TwoCandidates);
    let constraint = d
        .constraint
        .as_ref()
        .filter(|_| named)
        .map(|c| c.resource.as_str());
    let mut rows: Vec<&ResourceRow> = d
        .resources
        .iter()
        .filter(|r| r.capacity.is_some())
        .collect();
    rows.sort_by(|a, b| key(a, constraint).total_cmp(&key(b, constraint)));
    let unknown = d.resources.len() - rows.len();
    let matters =
        |r: &&&ResourceRow| near(r, d.current) >= IDLE || constraint == Some(r.resource.as_str());
    let shown = rows
        .iter()
        .take_while(matters)
        .count()
        .clamp(LEAST.min(rows.len()), FIRST);
    let (first, rest) = rows.split_at(shown.min(rows.len()));
    html! {
        @if rows.is_empty() { p.note { "No resource has a known capacity." } }
        ul.bars { @for r in first { (bar(r, constraint, d.current)) } }
        @if !rest.is_empty() {
            details { summary { (rest.len()) " more" } ul.bars { @for r in rest { (bar(r, constraint, d.current)) } } }
        }
        @if unknown > 0 { p.note { (unknown) " more are seen, but what they offer is not known." } }
    }
}

/// Small is binding: the constraint, then what is full soonest, then what is merely busy.
fn key(r: &ResourceRow, constraint: Option<&str>) -> f64 {
    match r.saturation {
        _ if constraint == Some(r.resource.as_str()) => f64::MIN,
        Some(s) => s,
        None => 1e15 - r.utilisation,
    }
}

/// How much of the way to full it is: by traffic where that is known.
fn near(r: &ResourceRow, current: f64) -> f64 {
    r.saturation
        .map_or(r.utilisation, |s| (current / s).max(r.utilisation))
}

fn bar(r: &ResourceRow, constraint: Option<&str>, current: f64) -> Markup {
    let binding = constraint == Some(r.resource.as_str());
    let busy = format!("{} busy", percent(r.utilisation));
    let full = r.saturation.map(|s| {
        format!(
            "full at {}, {} today's traffic",
            rate(s),
            times(s / current.max(1e-9))
        )
    });
    let says = [Some(busy.clone()), full.clone()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    html! {
        li.bar {
            div.bar-head {
                b { (r.resource) }
                @if binding { span.chip.tone-over { "constraint" } }
                span { (busy) }
            }
            (meter(100.0 * r.utilisation, &r.resource, &says, tone(near(r, current))))
            p.note { (full.unwrap_or_else(|| "no request is known to fill it".into())) " · " (r.class.label()) " · evidence: " (r.grade.label()) }
        }
    }
}
