//! What one order costs, by day, and how that changes.

use crate::State;
use crate::api::UNITS_WINDOW;
use crate::pages::parts::{self, headings};
use crate::units::{self, Each};
use cost::trend::Verdict;
use cost::unit::{Step, UnitCost, Why};
use maud::{Markup, html};
use past::decimal;

/// Days that are listed; the API has all.
const SHOWN: usize = 14;

/// Nothing where no route declares a number of the business.
pub fn panel(s: &State) -> Markup {
    if !s.past.known() {
        return parts::being_read(s);
    }
    let all = units::all(s, UNITS_WINDOW, Each::Day, None).unwrap_or_default();
    html! {
        @if !all.is_empty() {
            section.panel {
                div.panel-head { h2 { "What one of it costs" } span.note { "the whole bill by what answers told, in whole days of the last 35" } }
                (table(&all))
                @for u in &all { (one(u)) }
            }
        }
    }
}

fn table(all: &[UnitCost]) -> Markup {
    let columns = [
        ("1000", false),
        ("Route", false),
        ("Cost", true),
        ("Used by its route", true),
        ("Trend (95 %)", false),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Cost of one" {
            table {
                (headings(&columns))
                tbody { @for u in all { tr {
                    th scope="row" { (u.of.title()) }
                    td { a href={ "/routes/" (parts::encode(&u.of.route)) } { (u.of.route) } }
                    td.n { (per_1000(u.cost)) }
                    td.n { (per_1000(u.used)) }
                    td class=[tone(u.trend.verdict)] { (u.trend.text()) }
                } } }
            }
        }
    }
}

fn tone(v: Verdict) -> Option<&'static str> {
    match v {
        Verdict::Rises => Some("bad"),
        Verdict::Falls => Some("good"),
        Verdict::Unclear | Verdict::TooLittle => None,
    }
}

fn one(u: &UnitCost) -> Markup {
    let columns = [
        ("Day (UTC)", false),
        ("Told", true),
        ("Bill", true),
        ("Per 1000", true),
    ];
    let last = u.steps.len().saturating_sub(SHOWN);
    html! {
        details {
            summary { (u.of.title()) " of " (u.of.route) ", by day" }
            @if let Some(why) = &u.why { p.note { (because(why)) } }
            div.scroll tabindex="0" role="region" aria-label={ "Cost of " (u.of.title()) " of " (u.of.route) } {
                table {
                    (headings(&columns))
                    tbody { @for s in u.steps[last..].iter().rev() { (row(s)) } }
                }
            }
        }
    }
}

fn row(s: &Step) -> Markup {
    html! {
        tr {
            th scope="row" { (slo::notify::text::time(s.start_s * 1000).get(..10).unwrap_or("")) @if !s.whole { " " small { "not whole" } } }
            td.n { (decimal(s.value_micro)) }
            td.n { (base::number::money(s.bill_micro)) }
            td.n { (per_1000(s.cost)) }
        }
    }
}

fn because(w: &Why) -> String {
    let parts = w
        .parts()
        .map(|(name, x)| format!("{name} {:+.6}", 1000.0 * x));
    format!(
        "The later half of the days against the earlier one, dollars per 1000: {:.6} after {:.6} ({}).",
        1000.0 * w.cost.after,
        1000.0 * w.cost.before,
        parts.join(", ")
    )
}

fn per_1000(cost: Option<f64>) -> String {
    cost.map_or("—".into(), |c| format!("${:.6}", 1000.0 * c))
}
