//! One incident: where it stands, whom to call, its timeline with what the ledger knows, the draft of its postmortem.

use super::{PAGE, chip, figures};
use crate::State;
use crate::api::Problem;
use crate::books::Books;
use crate::pages::catalog::{books as runbooks, on_call, owner, shown};
use crate::pages::shell::Shown;
use catalog::Who;
use catalog::incident::{Happened, Incident, Stage};
use maud::{Markup, html};

pub fn render(s: &State, id: &str) -> Result<Shown, Problem> {
    let books = Books::read(s)?;
    let i = books.incident(s, id)?;
    let who = i.service.as_ref();
    let who = who.and_then(|s| books.loaded.who(&s.name, books.now));
    let body = html! {
        header.hero data-part="incident-head" {
            div.headline {
                p.eyebrow { a href="/incidents" { "Incidents" } " · " (i.id) @if let Some(s) = &i.severity { " · " (s) } }
                h1 { (i.title) }
                p.lead { (chip(i.stage())) " " (next(&i)) }
            }
            (figures(&i.times(), "after it began"))
        }
        div.grid {
            section.panel.wide data-part="incident-timeline" {
                div.panel-head { h2 { "Timeline" } span.note { code { "plimsoll incident note \"TEXT\"" } } }
                ol.timeline { @for h in i.timeline.iter().rev() { (entry(h)) } }
            }
            section.panel data-part="incident-who" {
                div.panel-head { h2 { "Who is called" } }
                (called(who.as_ref()))
            }
            section.panel.full data-part="incident-draft" {
                div.panel-head { h2 { "Postmortem" } span.note { code { "plimsoll incident draft " (i.id) } } }
                details open[i.stage() == Stage::Resolved] {
                    summary { "The draft: what is known is filled in" }
                    pre { (books.draft(&i)) }
                }
            }
        }
    };
    Ok(shown(&PAGE, &i.title, &i.id, body, s))
}

/// The command for the next step.
fn next(i: &Incident) -> Markup {
    let (what, command) = match i.stage() {
        Stage::Open => ("Nobody works on it yet:", "ack"),
        Stage::Acknowledged => ("Once users do not feel it any more:", "mitigate"),
        Stage::Mitigated => ("Once it cannot come back:", "resolve"),
        Stage::Resolved => return html! {},
    };
    html! { (what) " " code { "plimsoll incident " (command) " " (i.id) } }
}

fn called(who: Option<&Who<'_>>) -> Markup {
    html! {
        @match who {
            None => p.note { "Its file names no service that is known: write " code { "service" } " into its head." },
            Some(w) => dl.rows {
                dt { "Service" } dd { (w.service.name) }
                dt { "Owner" } dd { (owner(w)) }
                dt { "On call" } dd { (on_call(w)) }
                dt { "Runbooks" } dd { (runbooks(w)) }
            },
        }
    }
}

fn entry(h: &Happened) -> Markup {
    let ledger = h.text.starts_with(catalog::incident::LEDGER);
    let alert = h.text.starts_with(catalog::incident::ALERT);
    html! {
        li class=[ledger.then_some("trial").or(alert.then_some("bad"))] {
            p { (h.text) }
            p.note { time datetime=(h.at) { (h.at.strftime("%Y-%m-%d %H:%M:%S")) } }
        }
    }
}
