//! History: everything that was decided, with who, why and what came of it.

mod one;

use super::parts;
use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::api::Problem;
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use control::api::HistoryLine;
use control::ledger::Event;
use maud::{Markup, html};
use serde::Deserialize;

pub static PAGE: Page = Page {
    path: "/history",
    title: "History",
    routes: || {
        Router::new()
            .route("/history", get(all))
            .route("/history/{generation}", get(generation))
    },
    live: |s, _| Frame {
        version: parts::version(&s.control),
        ..Frame::default()
    },
};

/// Entries that are shown at first, and at most.
const FIRST: usize = 50;
const MOST: usize = 1000;

#[derive(Deserialize)]
struct Asked {
    n: Option<usize>,
    /// `all`: proposals too.
    show: Option<String>,
}

async fn all(app: App, Query(q): Query<Asked>) -> Response {
    show(app, &PAGE, move |s| render(s, &q)).await
}

async fn generation(app: App, Path(number): Path<u64>) -> Response {
    show(app, &PAGE, move |s| one::render(s, number)).await
}

fn render(s: &State, q: &Asked) -> Result<Shown, Problem> {
    let n = q.n.unwrap_or(FIRST).clamp(1, MOST);
    let lines = s.control.history(n)?;
    let everything = q.show.as_deref() == Some("all");
    let shown: Vec<&HistoryLine> = (lines.iter())
        .filter(|l| everything || !matches!(l.entry.event, Event::ProposalMade { .. }))
        .collect();
    let status = s.control.status();
    let now = parts::now_ms();
    let body = html! {
        header.hero { div.headline {
            p.eyebrow { "Ledger" }
            h1 { "Generation " (status.generation) " is in service" }
            p.lead { @if status.overlays.is_empty() { "It is the file alone." } @else { "It is the file with " (status.overlays.join(", ")) "." } }
        } }
        div.grid {
            section.panel.full data-part="overlays" {
                div.panel-head { h2 { "What differs from the file" }
                    @if !status.overlays.is_empty() { a href="/advice" { "Roll back" } }
                }
                (differs(s))
            }
            section.panel.full data-part="ledger" {
                div.panel-head { h2 { "What happened" }
                    span.choice {
                        a href={ "/history?n=" (n) } aria-current=[(!everything).then_some("true")] { "Changes" }
                        a href={ "/history?show=all&n=" (n) } aria-current=[everything.then_some("true")] { "With proposals" }
                    }
                }
                @if shown.is_empty() { (parts::empty("Nothing has been written down yet", "")) }
                ol.timeline { @for l in &shown { (entry(l, now)) } }
                @if lines.len() == n && n < MOST {
                    p { a href={ "/history?n=" ((n * 4).min(MOST)) @if everything { "&show=all" } } { "Show older" } }
                }
            }
        }
    };
    Ok(Shown {
        title: "History".into(),
        body,
        ask: Ask {
            page: PAGE.path.into(),
            ..Ask::default()
        },
        version: parts::version(&s.control),
    })
}

fn differs(s: &State) -> Markup {
    let diff = s.control.diff();
    html! {
        @if diff.is_empty() { p.note { "Nothing: what runs is what the file says." } }
        @else { (parts::diff(diff.iter())) }
    }
}

/// One entry of the ledger.
pub fn entry(l: &HistoryLine, now_ms: u64) -> Markup {
    let e = &l.entry;
    let kind = match &e.event {
        Event::Verdict { outcome, .. } if outcome.verdict.is_kept() => "good",
        Event::Verdict { .. } | Event::Rollback { .. } | Event::OverlayDropped { .. } => "bad",
        Event::TrialStarted { .. } => "trial",
        _ => "",
    };
    html! {
        li class=(kind) {
            p {
                @match &e.event {
                    Event::GenerationPublished { number, .. } => a href={ "/history/" (number) } { (l.text) },
                    _ => (l.text),
                }
            }
            p.note {
                time datetime=(l.time.replace(" UTC", "Z").replacen(' ', "T", 1)) title=(l.time) { (parts::ago(e.at_ms, now_ms)) }
                " · " (e.who)
                @if !e.why.is_empty() { " · " (e.why) }
            }
        }
    }
}
