//! One route: its numbers now and over time, what one request uses, its place under the line, and what gates did.

use super::heat::heatmap;
use super::{business, gates, said};
use crate::State;
use crate::api::Problem;
use crate::live::Frame;
use crate::pages::Ask;
use crate::pages::parts::{self, LATENCY, Mark, TRAFFIC, encode, exact, figure, headings};
use crate::pages::shell::Shown;
use axum::http::StatusCode;
use base::number::{amount, rate, seconds, times};
use base::units::Secs;
use control::lately::{KEEP_S, RouteLately, STEPS};
use maud::{Markup, html};
use model::Answer;
use model::cost::RouteCost;

pub fn render(s: &State, name: &str, last: Option<u64>) -> Result<Shown, Problem> {
    let last = parts::stretch(last);
    let Some(lately) = find(s, name) else {
        return Err(Problem {
            status: StatusCode::NOT_FOUND,
            title: format!("No route `{name}` has been seen"),
            findings: vec![],
        });
    };
    let said_by_model = s.control.diagnose();
    let answer = parts::answer(&said_by_model);
    let cost = answer
        .as_ref()
        .and_then(|a| a.costs.as_ref())
        .and_then(|c| c.routes.iter().find(|r| r.route == name));
    let steps = parts::traffic(s, Some(name), last);
    let objective = lately.objective.map(|o| Mark {
        at: o.latency_s,
        low: o.latency_s,
        high: o.latency_s,
        name: format!(
            "objective {}{}",
            Secs(o.latency_s),
            if o.assumed { ", assumed" } else { "" }
        ),
    });
    let here = format!("/routes/{}", encode(name));
    let body = html! {
        header.hero {
            div.headline {
                p.eyebrow { a href="/routes" { "Routes" } " · to " (lately.service) }
                h1 { (name) }
                p.lead { (objective_text(&lately)) }
                p { a href={ "/traces?route=" (encode(name)) } { "Traces of it" } }
            }
            (figures(&lately, cost))
        }
        div.grid {
            section.panel.wide {
                div.panel-head { h2 { "Requests" } (parts::stretches(&here, last)) }
                (parts::chart("Requests of this route", TRAFFIC, &steps, None))
                @if last > KEEP_S { (parts::being_read(s)) }
            }
            section.panel data-part="under" {
                div.panel-head { h2 { "Under the load line" } }
                @match &answer {
                    Some(a) => (under(a, name)),
                    None => (parts::not_yet(&said_by_model.stage)),
                }
            }
            section.panel.wide {
                div.panel-head { h2 { "How long answers take" } }
                (parts::chart("How long answers of this route take", LATENCY, &steps, objective.as_ref()))
                (parts::latencies_kept(s, last))
            }
            section.panel data-part="demand" {
                div.panel-head { h2 { "What one request uses" } }
                @match &answer {
                    Some(a) => (demand(a, name)),
                    None => (parts::not_yet(&said_by_model.stage)),
                }
            }
            section.panel.wide data-part="heat" {
                div.panel-head { h2 { "Where the answers lie" } }
                (heatmap(&s.control.route_heat(name, last.min(KEEP_S)), lately.objective.map(|o| o.latency_s)))
                p.note { "The last hour at most. Slower is higher, more answers are stronger; the line is the objective." }
            }
            (business::panel(s, name))
            section.panel.full data-part="gates" {
                div.panel-head { h2 { "What gates did" } }
                (gates::decisions(&s.path.decisions(), name, &lately.service))
            }
        }
    };
    let ask = Ask {
        page: super::PAGE.path.into(),
        of: name.into(),
        last,
    };
    Ok(Shown {
        title: name.into(),
        body,
        version: version(s, last, steps.last().map_or(0, |s| s.at_s)),
        ask,
    })
}

/// The heatmap is drawn no more often, seconds.
const HEAT_S: u64 = 10;

fn find(s: &State, name: &str) -> Option<RouteLately> {
    s.control.routes().into_iter().find(|r| r.route == name)
}

fn version(s: &State, last: u64, newest: u64) -> String {
    // The heatmap's columns are wider than the chart's steps, and wide enough to draw all anew.
    let drawn = newest / control::lately::width(last).max(HEAT_S);
    let past = parts::past_version(s, last);
    format!("{}-{drawn}{past}", parts::version(&s.control))
}

pub fn live(s: &State, ask: &Ask, name: &str) -> Frame {
    let steps = s.control.route_traffic(name, 15);
    let text = find(s, name).map(|r| said(&r).map(|(k, v)| (k.to_owned(), v)));
    Frame {
        version: version(s, ask.last, steps.last().map_or(0, |s| s.at_s)),
        text: text.map_or_else(Default::default, Into::into),
        steps: if ask.last <= STEPS as u64 {
            steps
        } else {
            Vec::new()
        },
        level: None,
    }
}

fn objective_text(r: &RouteLately) -> String {
    match r.objective {
        None => "It has no objective of latency; one is assumed once enough has been seen.".into(),
        Some(o) => {
            let word = if o.assumed {
                ", which is assumed: give the route an `slo` with a `latency`"
            } else {
                ""
            };
            let share = exact(o.target);
            format!(
                "{share} are to be answered well within {}{word}.",
                Secs(o.latency_s)
            )
        }
    }
}

fn figures(r: &RouteLately, cost: Option<&RouteCost>) -> Markup {
    let [(_, traffic), (_, good), (_, p50), (_, p99), (_, cache)] = said(r);
    let failed = format!("{} failed, {} refused", r.errors, r.refused);
    html! {
        dl.figures {
            (figure("Rate", &traffic, "", "rate"))
            (figure("Good", &good, &failed, "good"))
            (figure("p50", &p50, "", "p50"))
            (figure("p99", &p99, "", "p99"))
            (figure("From cache", &cache, "", "cache"))
            @if let Some(c) = cost {
                div.figure data-part="cost" {
                    dt { "Per 1000" }
                    dd { b { "$" (format!("{:.5}", c.with_children_per_1000)) } span { "itself $" (format!("{:.5}", c.per_1000)) } }
                }
            }
        }
    }
}

fn under(a: &Answer, name: &str) -> Markup {
    let row = a
        .line
        .as_ref()
        .and_then(|l| l.routes.iter().find(|r| r.route == name));
    let Some(r) = row else {
        return parts::empty(
            "Not in the picture",
            "The model has not seen enough of this route yet.",
        );
    };
    html! {
        dl.rows {
            dt { "Now" } dd { (rate(r.current)) @if !r.entry { " (caused by other routes)" } }
            dt { "At the load line" } dd { (rate(r.line)) ", safe " (rate(r.safe)) }
            dt { "Headroom" } dd { (times(r.line / r.current.max(1e-9))) }
            dt { "p99 now, as simulated" } dd { (seconds(r.p99_now)) }
            dt { "p99 at the line" } dd { (seconds(r.p99_at_line)) }
        }
        @if r.breaks_first { p { span.chip.tone-near { "breaks first" } " Its objective is the first to break." } }
    }
}

fn demand(a: &Answer, name: &str) -> Markup {
    let d = &a.diagnosis;
    let unit = |resource: &str| {
        d.resources
            .iter()
            .find(|r| r.resource == resource)
            .map_or("", |r| r.unit.as_str())
    };
    let mine: Vec<_> = d.demand.iter().filter(|e| e.route == name).collect();
    if mine.is_empty() {
        return parts::empty(
            "Nothing that is measured",
            "No resource is known to be used by this route.",
        );
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Demand" {
            table {
                (headings(&[("Resource", false), ("Per request (90 %)", true), ("Evidence", false)]))
                tbody {
                    @for e in mine {
                        @let u = unit(&e.resource);
                        tr {
                            td { (e.resource) }
                            td.n { (amount(e.mean, u)) br; small { (amount(e.low, u)) " to " (amount(e.high, u)) } }
                            td { span.chip { (e.grade.label()) } }
                        }
                    }
                }
            }
        }
        p.note { "Itself only, without what it asks of other routes." }
    }
}
