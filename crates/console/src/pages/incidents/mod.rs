//! Incidents: what is open, how long each step takes, and all that are written down.

mod one;

use super::catalog::{minute, shown};
use super::shell::{Shown, show};
use super::{Page, parts};
use crate::api::Problem;
use crate::books::{Books, version};
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use catalog::incident::{Incident, Stage, Times, length, typical};
use jiff::SignedDuration;
use maud::{Markup, html};

pub static PAGE: Page = Page {
    path: "/incidents",
    title: "Incidents",
    routes: || {
        Router::new()
            .route("/incidents", get(all))
            .route("/incidents/{id}", get(incident))
    },
    live: |s, _| Frame {
        version: version(s),
        ..Frame::default()
    },
};

async fn all(app: App) -> Response {
    show(app, &PAGE, render).await
}

async fn incident(app: App, Path(id): Path<String>) -> Response {
    show(app, &PAGE, move |s| one::render(s, &id)).await
}

fn render(s: &State) -> Result<Shown, Problem> {
    let books = Books::read(s)?;
    let c = &books.loaded.catalog;
    let (all, open) = (c.newest(), c.open());
    let body = html! {
        header.hero data-part="incidents-head" {
            div.headline {
                p.eyebrow { "Files in " code { (c.folder.join("incidents").display()) } }
                h1 { (headline(&open)) }
                p.lead { @if open.is_empty() { "Begin one with " code { "plimsoll incident open \"WHAT USERS FEEL\"" } "." } }
            }
            @if !all.is_empty() { (figures(&typical(all.iter().copied()), "median, after it began")) }
        }
        section.panel data-part="incidents" {
            @if all.is_empty() { (parts::empty("No incident is written down", "Each is a file: its times, its timeline, its postmortem.")) }
            @else { (table(&all)) }
        }
    };
    Ok(shown(&PAGE, "Incidents", "", body, s))
}

fn headline(open: &[&Incident]) -> String {
    match open {
        [] => "No incident is open".into(),
        [one] => format!("Open: {}", one.title),
        more => format!("{} incidents are open", more.len()),
    }
}

/// How long each step took.
pub fn figures(t: &Times, note: &str) -> Markup {
    html! {
        dl.figures {
            @for (label, took) in t.rows() { (parts::figure(label, &after(took), note, "")) }
        }
    }
}

fn after(took: Option<SignedDuration>) -> String {
    took.map_or("—".into(), length)
}

/// The stage as a chip.
pub fn chip(stage: Stage) -> Markup {
    let tone = match stage {
        Stage::Open => "over",
        Stage::Acknowledged | Stage::Mitigated => "near",
        Stage::Resolved => "ok",
    };
    html! { span class={ "chip tone-" (tone) } { (stage.word()) } }
}

fn table(all: &[&Incident]) -> Markup {
    let headings = [
        ("Incident", false),
        ("Service", false),
        ("Is", false),
        ("Detected", false),
        ("Resolved after", true),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Incidents" { table {
            (parts::headings(&headings))
            tbody { @for i in all { tr {
                th scope="row" { a href={ "/incidents/" (parts::encode(&i.id)) } { (i.title) } }
                td { (i.service.as_ref().map_or("—", |s| s.name.as_str())) }
                td { (chip(i.stage())) }
                td { (i.detected.map_or("—".into(), minute)) }
                td.n { (after(i.times().resolve)) }
            } } }
        } }
    }
}
