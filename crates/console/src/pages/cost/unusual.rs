//! Hours in which a request cost something unusual, each with its parts and the change beside it.

use cost::anomaly::{Anomaly, Of};
use maud::{Markup, html};
use slo::notify::text::time;

/// Shown; the API has all that are kept.
const SHOWN: usize = 10;

pub fn hours(all: &[Anomaly]) -> Markup {
    html! {
        @if !all.is_empty() {
            section.panel {
                div.panel-head { h2 { "Unusual" } span.note { "cost of a request against this hour of other weeks" } }
                ol.timeline { @for a in all.iter().take(SHOWN) { (hour(a)) } }
            }
        }
    }
}

fn hour(a: &Anomaly) -> Markup {
    let dear = a.cost > a.usual;
    html! {
        li class=(if dear { "bad" } else { "good" }) {
            strong { (time(a.since_s * 1000)) ": " (what(a)) }
            @if let Some(why) = &a.why {
                p.note { "per 1000 requests: " @for (i, (name, dollars)) in why.parts().iter().enumerate() { @if i > 0 { ", " } (name) " " (signed(1000.0 * dollars)) } }
            }
            p { @match &a.change { Some(change) => (change), None => "no change is known of that minute" } }
        }
    }
}

fn what(a: &Anomaly) -> String {
    let of = match a.of {
        Of::Bill => "1000 requests cost",
        Of::Used => "1000 requests used, idle left out,",
    };
    format!(
        "{of} ${:.6}; ${:.6} is usual",
        1000.0 * a.cost,
        1000.0 * a.usual
    )
}

fn signed(dollars: f64) -> String {
    let sign = if dollars < 0.0 { "-" } else { "+" };
    format!("{sign}${:.6}", dollars.abs())
}
