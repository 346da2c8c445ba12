//! What all pages have around them: head, navigation, and what is wrong right now.

use super::{Ask, PAGES, Page, parts, slos};
use crate::access::Who;
use crate::api::Problem;
use crate::guard::word;
use crate::{App, State, assets};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base::Finding;
use control::api::Status;
use maud::{DOCTYPE, Markup, html};

/// The content of one page.
pub struct Shown {
    pub title: String,
    pub body: Markup,
    /// What its stream of live values is about.
    pub ask: Ask,
    /// As in [`crate::live::Frame`].
    pub version: String,
}

/// Renders off the async threads: pages read the ledger.
pub async fn show(
    app: App,
    page: &'static Page,
    render: impl FnOnce(&State) -> Result<Shown, Problem> + Send + 'static,
) -> Response {
    let work = tokio::task::spawn_blocking(move || {
        let (code, shown) = match render(&app.state) {
            Ok(shown) => (StatusCode::OK, shown),
            Err(problem) => (problem.status, sorry(page, &problem)),
        };
        answer(code, whole(page, &app.state, &shown, &app.who))
    });
    work.await
        .unwrap_or_else(|_| Problem::internal().into_response())
}

pub fn answer(status: StatusCode, page: Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

fn sorry(page: &Page, problem: &Problem) -> Shown {
    let body = html! {
        header.hero { div.headline {
            h1 { (problem.title) }
            @for f in &problem.findings { p.lead { (f.help) } }
            p { a href=(page.path) { "Back to " (page.title) } }
        } }
    };
    Shown {
        title: "Not done".into(),
        body,
        ask: Ask::default(),
        version: String::new(),
    }
}

fn whole(page: &Page, s: &State, shown: &Shown, who: &Who) -> Markup {
    let (status, fires) = (&s.control.status(), slos::fires(s));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head(&shown.title))
                script type="module" src=(assets::path("console.js")) {}
            }
            body data-page=(shown.ask.page) data-of=(shown.ask.of) data-last=(shown.ask.last) data-version=(versioned(&shown.version, fires)) {
                a.skip href="#main" { "Skip to content" }
                (navigation(page, status, fires, who))
                (wrong(status))
                main id="main" { (shown.body) }
                footer {
                    p data-part="footer" {
                        "Generation " a href={ "/history/" (status.generation) } { (status.generation) }
                        " · " (status.progress)
                    }
                    p { a href="/api/v1/openapi.json" { "API" } " · " a href="/metrics" { "Metrics" } }
                }
            }
        }
    }
}

/// Every page shows how many alerts fire.
pub fn versioned(version: &str, fires: usize) -> String {
    format!("{version}-{fires}")
}

/// What every page says of itself.
pub fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="dark light";
        title { (title) " · Plimsoll" }
        link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
        link rel="stylesheet" href=(assets::path("console.css"));
    }
}

/// `fires`: how many alerts do.
fn navigation(current: &Page, status: &Status, fires: usize, who: &Who) -> Markup {
    html! {
        header.top {
            a.brand href="/" {
                svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" {
                    circle cx="16" cy="16" r="9" fill="none" stroke="currentColor" stroke-width="3" {}
                    path d="M2 16h28" stroke="currentColor" stroke-width="3" {}
                }
                span { "Plimsoll" }
            }
            nav aria-label="Pages" {
                @for p in PAGES.iter() {
                    a href=(p.path) aria-current=[(p.path == current.path).then_some("page")] { (p.title) }
                }
            }
            p.pulse {
                span.news data-part="news" {
                    @if fires > 0 { a.chip.tone-over href="/slos" { (fires) @if fires == 1 { " alert fires" } @else { " alerts fire" } } }
                    @if let Some(t) = &status.trial { a.chip.tone-near href="/advice#trial" { (t.id) " is under way" } }
                }
                // No part of what is put in place anew: it would be hidden again.
                span #live hidden { "live" }
            }
            @if let Some(name) = &who.name {
                form.me method="post" action="/signout" {
                    span { (name) " " small { (word(who.role)) } }
                    button { "Sign out" }
                }
            }
        }
    }
}

/// What somebody has to see, whatever page is open.
fn wrong(status: &Status) -> Markup {
    let loops = status.loops.iter().flat_map(|l| &l.findings);
    let all: Vec<&Finding> = (status.file.iter())
        .chain(&status.findings)
        .chain(loops)
        .collect();
    html! {
        div data-part="wrong" {
            @if !all.is_empty() {
                section.wrong aria-label="What is wrong" {
                    @for f in all { p { strong { (parts::told(&f.what)) } " " (parts::told(&f.help)) } }
                }
            }
        }
    }
}

/// For machines below `/api/`, for people elsewhere.
pub async fn not_found(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return Problem::not_found().into_response();
    }
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("No such page")) }
            body { main id="main" {
                header.hero { div.headline {
                    h1 { "There is no such page" }
                    p.lead { @for p in PAGES.iter() { a href=(p.path) { (p.title) } " " } }
                } }
            } }
        }
    };
    answer(StatusCode::NOT_FOUND, body)
}
