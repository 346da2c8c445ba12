//! Spans below one another, each with a bar where it lies in the time of the trace; the part on the critical path is stronger.

use super::took;
use crate::pages::parts;
use maud::{Markup, html};
use traces::{Row, View};

/// Deeper ones are drawn as deep as this.
const DEEPEST: u16 = 8;
const WIDTH: f64 = 1000.0;
/// Least width of a bar that can be seen.
const LEAST: f64 = 3.0;

pub fn legend() -> Markup {
    html! {
        p.note {
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class="waited" width="10" height="10" {} }
            "on the critical path "
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class="beside" width="10" height="10" {} }
            "beside it "
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class="failed" width="10" height="10" {} }
            "failed"
        }
    }
}

pub fn table(view: &View) -> Markup {
    let headings = [
        ("Span", false),
        ("Where in time", false),
        ("Took", true),
        ("Self", true),
        ("Critical", true),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Spans" { table.waterfall {
            (parts::headings(&headings))
            tbody { @for row in &view.rows { (span(row, view)) } }
        } }
    }
}

fn span(r: &Row, view: &View) -> Markup {
    let critical = if r.critical_us > 0 {
        took(r.critical_us)
    } else {
        "—".into()
    };
    html! {
        tr {
            th scope="row" class={ "d" (r.depth.min(DEEPEST)) } {
                (r.name) " " small { (r.service) @if &*r.kind != "internal" { " · " (r.kind) } }
                @if r.error { " " span.chip.tone-over { "error" } }
                @if !r.attributes.is_empty() {
                    details { summary { "more" } dl.rows { @for (key, value) in &r.attributes { dt { (key) } dd { (value) } } } }
                }
            }
            td.bar-place { (bar(r, view)) }
            td.n { (took(r.duration_us)) }
            td.n { (took(r.self_us)) }
            td.n { (critical) }
        }
    }
}

fn bar(r: &Row, view: &View) -> Markup {
    let all = (view.to_us.saturating_sub(view.from_us)).max(1) as f64;
    let place = |us: i64| (WIDTH * us.saturating_sub(view.from_us) as f64 / all).clamp(0.0, WIDTH);
    let from = place(r.start_us).min(WIDTH - LEAST);
    let to = place(r.start_us.saturating_add_unsigned(r.duration_us));
    let class = match (r.error, r.critical_us > 0) {
        (true, _) => "failed",
        (_, true) => "waited",
        _ => "beside",
    };
    let label = format!(
        "begins at {}, takes {}",
        offset(r.start_us),
        took(r.duration_us)
    );
    html! {
        svg.span viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect class=(class) x=(format!("{from:.1}")) width=(format!("{:.1}", (to - from).max(LEAST))) height="12" {}
        }
    }
}

/// `12 ms`, or `-3 ms`: before the request began.
pub fn offset(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    format!("{sign}{}", took(us.unsigned_abs()))
}
