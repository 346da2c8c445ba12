//! What if: a question, and the line before and after.

use super::knobs::{Knob, knobs, slider};
use crate::State;
use crate::pages::parts;
use crate::turns::Turns;
use base::Finding;
use base::number::{rate, rate_in, seconds, times};
use control::ports::Counsel;
use control::proposal::{Change, Proposal};
use maud::{Markup, html};
use model::loadline::{Limit, LoadLine};
use model::whatif::WhatIf;
use serde::Deserialize;
use std::collections::BTreeMap;

/// As the form sends it: a route and a factor, what was turned, and a question in words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    route: String,
    times: String,
    q: String,
    /// Knobs by their names.
    #[serde(flatten)]
    turned: BTreeMap<String, String>,
}

impl Question {
    /// In the words of `plimsoll whatif`; `None`: nothing is asked.
    fn text(&self, knobs: &[Knob]) -> Option<String> {
        let times = self.times.trim().trim_start_matches('x');
        let turned = knobs.iter().filter_map(|k| k.clause(&self.turned));
        let turned: Vec<String> = turned.collect();
        let traffic = match (self.route.as_str(), times) {
            (_, "") => None,
            // The same traffic is no question, where there is another one.
            (_, "1") if !turned.is_empty() || !self.q.trim().is_empty() => None,
            ("", n) => Some(format!("traffic x{n}")),
            (route, n) => Some(format!("traffic {route} x{n}")),
        };
        let q = Some(self.q.trim().to_owned()).filter(|q| !q.is_empty());
        let all: Vec<String> = traffic.into_iter().chain(turned).chain(q).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

pub fn panel(s: &State, turns: &Turns, ask: &Question, counsel: &Counsel) -> Markup {
    let view = s.control.view();
    let knobs = view
        .fit
        .as_ref()
        .map_or(Vec::new(), |fit| knobs(fit, &proposed(counsel)));
    let text = ask.text(&knobs);
    let times = match (&text, knobs.is_empty()) {
        (Some(_), _) => ask.times.as_str(),
        (None, true) => "2",
        // What is turned is compared with the traffic of now.
        (None, false) => "1",
    };
    let routes: Vec<&str> = (view.fit.iter().flat_map(|f| &f.routes))
        .filter(|r| r.entry_rate > 0.0)
        .map(|r| r.info.name.as_str())
        .collect();
    html! {
        form.act.whatif method="get" action="/advice#whatif" {
            label { "Traffic of " select name="route" {
                option value="" { "all routes" }
                @for r in &routes { option value=(r) selected[ask.route == *r] { (r) } }
            } }
            label { "times " input type="number" name="times" min="0.1" max="100" step="0.1" size="5" value=(times); }
            @if !knobs.is_empty() { div.knobs { @for (i, k) in knobs.iter().enumerate() { (slider(i, k, &ask.turned)) } } }
            label.grow { "and " input name="q" value=(ask.q) placeholder="cache product ttl=10s, replica shop 2" aria-label="Further changes"; }
            button.primary { "Ask" }
        }
        p.note { "Known are cache, traffic, replica, cores, pool, index, batch and limit, as in " code { "plimsoll whatif" } "." }
        p.note role="status" id="whatif-state" {}
        div id="whatif-answer" { @if let Some(text) = text { (answered(s, turns, &text)) } }
    }
}

/// Names of what the proposals would change: routes, services and resources.
fn proposed(counsel: &Counsel) -> Vec<String> {
    let named = |p: &Proposal| match &p.change {
        Change::Patch { ops } => ops.iter().filter_map(|o| o.path.get(1).cloned()).collect(),
        Change::Replicas { service, .. } => vec![service.clone()],
        // What an instruction is about stands first in its title: `cpu.front: 4.0 cores …`.
        Change::Instruction { .. } => {
            let first = p.title.split(':').next().unwrap_or_default();
            vec![first.to_owned()]
        }
    };
    counsel.proposals.iter().flat_map(named).collect()
}

fn answered(s: &State, turns: &Turns, text: &str) -> Markup {
    let Some(_turn) = turns.wait_here() else {
        return html! { p.wrong role="alert" data-again { "Other questions are being answered: ask again in some seconds." } };
    };
    let said = s.control.whatif(text);
    match said.map(|v| WhatIf::deserialize(&v)) {
        Ok(Ok(answer)) => table(&answer),
        Ok(Err(e)) => refused(&[Finding::error("whatif", e.to_string())]),
        Err(findings) => refused(&findings),
    }
}

fn refused(findings: &[Finding]) -> Markup {
    html! { div.wrong role="alert" { @for f in findings { p { strong { (parts::told(&f.what)) } " " (parts::told(&f.help)) } } } }
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
        div.result {
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
