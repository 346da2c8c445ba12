//! What a route's answers told of the business, beside its technical numbers.

use crate::State;
use crate::pages::parts::headings;
use crate::worth;
use maud::{Markup, html};
use past::{Worth, decimal};
use std::collections::BTreeMap;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Nothing where the route declares none.
pub fn panel(s: &State, route: &str) -> Markup {
    let mine = |last_s| {
        worth::lately(s, last_s)
            .into_iter()
            .filter(|w: &Worth| w.route == route)
    };
    let day: Vec<Worth> = mine(DAY).collect();
    let hour: BTreeMap<String, Worth> = mine(HOUR).map(|w| (w.title(), w)).collect();
    html! {
        @if !day.is_empty() {
            section.panel.full data-part="business" {
                div.panel-head { h2 { "What it is worth" } span.note { "as its answers told" } }
                (table(&hour, &day))
            }
        }
    }
}

fn table(hour: &BTreeMap<String, Worth>, day: &[Worth]) -> Markup {
    let columns = [
        ("Number", false),
        ("Last hour", true),
        ("Last 24 h", true),
        ("Answers, 24 h", true),
        ("Not told", false),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Numbers of the business" {
            table {
                (headings(&columns))
                tbody { @for w in day { tr {
                    th scope="row" { (w.title()) }
                    td.n { (decimal(hour.get(&w.title()).map_or(0, Worth::micro))) }
                    td.n { (decimal(w.micro())) @if w.taken_micro > 0 { br; small { (decimal(w.taken_micro as i64)) " taken back" } } }
                    td.n { (w.counted) }
                    td { @match w.untold() { Some(why) => (why), None => "—" } }
                } } }
            }
        }
    }
}

/// Of the last hour, by route: `orders 12, revenue (usd) 340.25`.
pub fn lines(s: &State) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for w in worth::lately(s, HOUR) {
        let said = format!("{} {}", w.title(), decimal(w.micro()));
        let line = all.entry(w.route).or_default();
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(&said);
    }
    all
}
