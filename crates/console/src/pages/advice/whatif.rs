//! What if: a question, and the line before and after.

use crate::State;
use base::Finding;
use base::number::{rate, rate_in, seconds, times};
use maud::{Markup, html};
use model::loadline::{Limit, LoadLine};
use model::whatif::WhatIf;
use serde::Deserialize;
use std::sync::Mutex;

/// As the form sends it: a route and a factor, or a question in words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    route: String,
    times: String,
    q: String,
}

/// One at a time: an answer takes seconds of a core.
static BUSY: Mutex<()> = Mutex::new(());

impl Question {
    /// In the words of `plimsoll whatif`; `None`: nothing is asked.
    fn text(&self) -> Option<String> {
        let times = self.times.trim().trim_start_matches('x');
        let traffic = match (self.route.as_str(), times) {
            (_, "") => None,
            ("", n) => Some(format!("traffic x{n}")),
            (route, n) => Some(format!("traffic {route} x{n}")),
        };
        let q = Some(self.q.trim().to_owned()).filter(|q| !q.is_empty());
        let all: Vec<String> = traffic.into_iter().chain(q).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

pub fn panel(s: &State, ask: &Question) -> Markup {
    let view = s.control.view();
    let times = if ask.text().is_none() {
        "2"
    } else {
        &ask.times
    };
    let routes: Vec<&str> = (view.fit.iter().flat_map(|f| &f.routes))
        .filter(|r| r.entry_rate > 0.0)
        .map(|r| r.info.name.as_str())
        .collect();
    html! {
        form.act method="get" action="/advice#whatif" {
            label { "Traffic of " select name="route" {
                option value="" { "all routes" }
                @for r in &routes { option value=(r) selected[ask.route == *r] { (r) } }
            } }
            label { "times " input type="number" name="times" min="0.1" max="100" step="0.1" size="5" value=(times); }
            label.grow { "and " input name="q" value=(ask.q) placeholder="cache product ttl=10s, replica shop 1" aria-label="Further changes"; }
            button.primary { "Ask" }
        }
        p.note { "Known are cache, traffic, replica, pool, index, batch and limit, as in " code { "plimsoll whatif" } "." }
        @if let Some(text) = ask.text() { (answered(s, &text)) }
    }
}

fn answered(s: &State, text: &str) -> Markup {
    let Ok(_turn) = BUSY.try_lock() else {
        return html! { p.wrong role="alert" { "Another question is being answered: ask again in some seconds." } };
    };
    let said = s.control.whatif(text);
    match said.map(|v| WhatIf::deserialize(&v)) {
        Ok(Ok(answer)) => table(&answer),
        Ok(Err(e)) => refused(&[Finding::error("whatif", e.to_string())]),
        Err(findings) => refused(&findings),
    }
}

fn refused(findings: &[Finding]) -> Markup {
    html! { div.wrong role="alert" { @for f in findings { p { strong { (f.what) } " " (f.help) } } } }
}

fn table(w: &WhatIf) -> Markup {
    let p = &w.predicted;
    let limit = |l: &LoadLine| {
        l.limit
            .as_ref()
            .map_or("nothing known".into(), |l: &Limit| {
                format!("{} [{}]", l.resource, l.class.label())
            })
    };
    let money = |x: Option<f64>| x.map_or("—".to_owned(), |x| format!("${x:.4}"));
    let rows = [
        ("Traffic", rate(w.before.current), rate(w.traffic_after)),
        (
            "Load line",
            rate_in(p.before.value, p.before.low, p.before.high),
            rate_in(p.after.value, p.after.low, p.after.high),
        ),
        ("Safe line", rate(p.before_safe), rate(p.after_safe)),
        (
            "Headroom",
            times(w.before.headroom),
            times(w.after.headroom),
        ),
        ("Set by", limit(&w.before), limit(&w.after)),
        ("p99 of all", seconds(p.p99_before), seconds(p.p99_after)),
        (
            "Per 1000 requests",
            money(p.cost_before),
            money(p.cost_after),
        ),
    ];
    let holds = w.traffic_after <= w.after.safe;
    html! {
        div.result aria-live="polite" {
            h3 { (w.changes.join(", ")) }
            p { span class={ "chip " (if holds { "tone-ok" } else { "tone-over" }) } { @if holds { "holds" } @else { "would not hold" } }
                @if !holds { " The traffic then is above the safe line." } }
            div.scroll tabindex="0" role="region" aria-label="Before and after" {
                table {
                    thead { tr { th scope="col" { "" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                    tbody { @for (name, before, after) in &rows { tr { th scope="row" { (name) } td { (before) } td { (after) } } } }
                }
            }
            @for g in &w.guards { p.note { "Mind: " (g) } }
            @for d in &w.before.reasons { p.note { "Doubt: " (d) } }
        }
    }
}
