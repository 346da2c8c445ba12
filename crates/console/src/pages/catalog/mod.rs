//! The catalog: every service with its owner and who is on call, what is wrong, teams and runbooks.

mod lists;
mod runbook;

use super::shell::{Shown, show};
use super::{Ask, Page, parts};
use crate::api::Problem;
use crate::books::{Books, version};
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use base::Severity;
use catalog::Who;
use catalog::lint::count;
use jiff::Timestamp;
use maud::{Markup, html};

pub static PAGE: Page = Page {
    path: "/catalog",
    title: "Catalog",
    routes: || {
        Router::new()
            .route("/catalog", get(all))
            .route("/catalog/runbooks/{name}", get(runbook))
    },
    live: |s, _| Frame {
        version: version(s),
        ..Frame::default()
    },
};

async fn all(app: App) -> Response {
    show(app, &PAGE, render).await
}

async fn runbook(app: App, Path(name): Path<String>) -> Response {
    show(app, &PAGE, move |s| runbook::render(s, &name)).await
}

fn render(s: &State) -> Result<Shown, Problem> {
    let books = Books::read(s)?;
    let services = books.services();
    let body = html! {
        header.hero data-part="catalog-head" {
            div.headline {
                p.eyebrow { "Files in " code { (books.loaded.catalog.folder.display()) } }
                h1 { (headline(&books)) }
                @if let Some(why) = &books.loaded.without { p.lead { "Not compared with the config: " (why) "." } }
                p.note { "Traffic: " (books.seen.span(books.now)) "." }
            }
            dl.figures {
                (parts::figure("on call now", &covered(&services), "services that somebody is called for", ""))
                (parts::figure("open incidents", &books.loaded.catalog.open().len().to_string(), "", ""))
            }
        }
        div.grid {
            section.panel.full data-part="catalog-services" {
                div.panel-head { h2 { "Services" } }
                @if services.is_empty() { (parts::empty("No service is declared", "Write a first catalog with `plimsoll catalog init`.")) }
                @else { (table(&services)) }
            }
            @if !books.found.is_empty() {
                section.panel.full data-part="catalog-found" {
                    div.panel-head { h2 { "What to mend" } span.note { code { "plimsoll catalog check" } } }
                    (lists::found(&books.found))
                }
            }
            section.panel.wide data-part="catalog-runbooks" {
                div.panel-head { h2 { "Runbooks" } }
                (lists::runbooks(&books))
            }
            section.panel data-part="catalog-teams" {
                div.panel-head { h2 { "Teams" } }
                (lists::teams(&books))
            }
        }
    };
    Ok(shown(&PAGE, "Catalog", "", body, s))
}

/// A page of files, about one of them or all.
pub fn shown(page: &Page, title: &str, of: &str, body: Markup, s: &State) -> Shown {
    Shown {
        title: title.into(),
        body,
        ask: Ask {
            page: page.path.into(),
            of: of.into(),
            ..Ask::default()
        },
        version: version(s),
    }
}

fn headline(books: &Books) -> String {
    if books.loaded.empty {
        return "There is no catalog yet".into();
    }
    let (errors, warnings) = (books.count(Severity::Error), books.count(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => "What is declared is what is seen".into(),
        (0, w) => format!("No errors, {}", count(w, "warning")),
        (e, w) => format!("{}, {}", count(e, "error"), count(w, "warning")),
    }
}

fn covered(services: &[Who<'_>]) -> String {
    let somebody = |w: &&Who<'_>| w.shifts.as_ref().is_some_and(|s| s.0.who.is_some());
    let n = services.iter().filter(somebody).count();
    format!("{n} of {}", services.len())
}

fn table(services: &[Who<'_>]) -> Markup {
    let headings = ["Service", "Owner", "On call", "Calls", "Runbooks"].map(|h| (h, false));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Services" {
            table {
                (parts::headings(&headings))
                tbody { @for w in services { tr {
                    th scope="row" { (w.service.name) @if let Some(about) = &w.service.about { br; small { (about) } } }
                    td { (owner(w)) }
                    td { (on_call(w)) }
                    td { (w.service.depends_on.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ")) }
                    td { (books(w)) }
                } } }
            }
        }
    }
}

/// The team, and how to reach it.
pub fn owner(w: &Who<'_>) -> Markup {
    html! {
        @match &w.owner { Some(o) => (o), None => span.chip.tone-over { "nobody" } }
        @if let Some(contact) = w.team.and_then(|t| t.contact.as_ref()) { br; small { (contact) } }
    }
}

/// Who has it now, until when, and who is next.
pub fn on_call(w: &Who<'_>) -> Markup {
    let Some((now, next)) = &w.shifts else {
        return html! { span.chip.tone-near { "nobody" } };
    };
    let then = next.as_ref().and_then(|n| n.who.as_ref());
    html! {
        @match &now.who { Some(who) => strong { (who) }, None => span.chip.tone-over { "nobody now" } }
        @if let Some(until) = now.until {
            br; small { "until " (minute(until)) @if let Some(who) = then { ", then " (who) } }
        }
    }
}

/// Links to them.
pub fn books(w: &Who<'_>) -> Markup {
    html! {
        @if w.runbooks.is_empty() { span.chip.tone-near { "none" } }
        @for (i, r) in w.runbooks.iter().enumerate() {
            @if i > 0 { br; }
            a href={ "/catalog/runbooks/" (parts::encode(&r.name)) } { (r.title) }
        }
    }
}

/// `Sat 2026-11-28 09:00`, UTC.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%a %Y-%m-%d %H:%M").to_string()
}
