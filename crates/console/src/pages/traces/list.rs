//! The list, as the address asks for it.

use super::{request, shown, status, took};
use crate::State;
use crate::api::Problem;
use crate::pages::parts::{self, encode};
use crate::pages::shell::Shown;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use traces::{Ask, Found};

/// A form sends every field, empty or not.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    route: String,
    status: String,
    min_ms: String,
    since_s: String,
    before: String,
}

const STATUSES: [(&str, &str); 6] = [
    ("", "any status"),
    ("error", "errors"),
    ("5xx", "5xx"),
    ("4xx", "4xx"),
    ("3xx", "3xx"),
    ("2xx", "2xx"),
];
const SINCE: [(&str, &str); 5] = [
    ("", "any time"),
    ("900", "15 minutes"),
    ("3600", "an hour"),
    ("86400", "a day"),
    ("604800", "a week"),
];

impl Asked {
    /// What is no number does not matter.
    fn ask(&self) -> Ask {
        Ask {
            route: self.route.trim().into(),
            status: self.status.clone(),
            min_ms: self.min_ms.trim().parse().ok(),
            since_s: self.since_s.parse().ok(),
            limit: None,
            before: self.before.clone(),
        }
    }

    fn older(&self, next: &str) -> String {
        let pairs = [
            ("route", &*self.route),
            ("status", &*self.status),
            ("min_ms", &*self.min_ms),
            ("since_s", &*self.since_s),
            ("before", next),
        ];
        let set = pairs.iter().filter(|p| !p.1.is_empty());
        let set: Vec<String> = set.map(|(k, v)| format!("{k}={}", encode(v))).collect();
        format!("/traces?{}", set.join("&"))
    }
}

pub fn render(s: &State, asked: &Asked) -> Result<Shown, Problem> {
    let found = s.traces.list(&asked.ask())?;
    let standing = s.traces.standing();
    let body = html! {
        header.hero { div.headline {
            p.eyebrow { "Errors and slow requests always, and a share of the rest" }
            h1 { "Traces" }
            p.lead { (kept(&standing)) }
            @if let Some(wrong) = standing["wrong"].as_str() { p.wrong { (wrong) } }
        } }
        section.panel {
            (form(asked))
            @if found.traces.is_empty() {
                (parts::empty("No trace is like that", "A request is kept a second after its end, if it failed, was slower than traces.slow, or is in the share."))
            } @else { (table(&found)) }
            @if let Some(next) = &found.next { p { a href=(asked.older(next)) { "Show older" } } }
        }
    };
    Ok(shown("Traces".into(), body))
}

fn kept(standing: &Value) -> String {
    let number = |key: &str| standing[key].as_u64().unwrap_or(0);
    let mib = |key: &str| format!("{:.1}", number(key) as f64 / f64::from(1 << 20));
    let lost = match number("lost") {
        0 => String::new(),
        n => format!("; {n} found no room since the start"),
    };
    let dropped = match number("dropped") {
        0 => String::new(),
        n => format!("; {n} gave way to what traces.rate lets be written"),
    };
    format!(
        "{} are kept, {} of {} MiB{lost}{dropped}.",
        number("traces"),
        mib("bytes"),
        mib("size")
    )
}

fn form(asked: &Asked) -> Markup {
    let choice = |name: &str, all: &[(&str, &str)], now: &str| {
        html! { select name=(name) { @for (value, text) in all {
            option value=(value) selected[*value == now] { (text) }
        } } }
    };
    html! {
        form.filter method="get" action="/traces" role="search" {
            label { "Route " input type="search" name="route" value=(asked.route); }
            label { "Status " (choice("status", &STATUSES, &asked.status)) }
            label { "At least, ms " input type="number" min="0" name="min_ms" value=(asked.min_ms); }
            label { "Since " (choice("since_s", &SINCE, &asked.since_s)) }
            button { "Filter" }
        }
    }
}

fn table(found: &Found) -> Markup {
    let now = parts::now_ms();
    let headings = [
        ("Request", false),
        ("Was", false),
        ("Took", true),
        ("When", false),
        ("Services", false),
        ("Spans", true),
        ("Log lines", true),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Traces" { table.routes {
            (parts::headings(&headings))
            tbody { @for s in &found.traces { tr {
                th scope="row" { a href={ "/traces/" (format!("{:032x}", s.id)) } { (request(s)) } }
                td { (status(s)) }
                td.n { (took(s.duration_us)) }
                td { (parts::ago(s.at_ms, now)) }
                td { (if s.services.is_empty() { "—".into() } else { s.services.join(", ") }) }
                td.n { (s.spans) }
                td.n { (s.lines) }
            } } }
        } }
    }
}
