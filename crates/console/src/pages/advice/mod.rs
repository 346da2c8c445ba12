//! Advice: what to change, what is refused and why, the trial under way, and what if.

mod knobs;
mod overlays;
mod proposals;
mod trial;
mod whatif;

use super::parts;
use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::access::Who;
use crate::api::Problem;
use crate::live::Frame;
use crate::turns::Turns;
use crate::{App, State};
use axum::Form;
use axum::Router;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base::number::rate;
use control::trial::TryOptions;
use maud::html;
use serde::Deserialize;

pub static PAGE: Page = Page {
    path: "/advice",
    title: "Advice",
    routes: || {
        Router::new()
            .route("/advice", get(page))
            .route("/advice/try", post(try_it))
            .route("/advice/rollback", post(rollback))
    },
    live: |s, _| Frame {
        version: parts::version(&s.control),
        ..Frame::default()
    },
};

async fn page(app: App, Query(ask): Query<whatif::Question>) -> Response {
    let (who, turns) = (app.who.clone(), app.turns.clone());
    show(app, &PAGE, move |s| Ok(render(s, &turns, &who, &ask))).await
}

fn render(s: &State, turns: &Turns, who: &Who, ask: &whatif::Question) -> Shown {
    let c = &s.control;
    let said = c.advise();
    let diagnosis = c.diagnose();
    let line = parts::answer(&diagnosis).and_then(|a| a.line);
    let status = c.status();
    let best = said.counsel.proposals.first();
    let body = html! {
        header.hero {
            div.headline data-part="headline" {
                p.eyebrow { "Advice" @if status.trial.is_some() { " · a trial is under way" } }
                h1 { @match best { Some(p) => (parts::upper(&p.title)), None => "Nothing to change" } }
                p.lead {
                    @match (best, &line) {
                        (Some(p), Some(l)) => {
                            @if let Some(after) = p.line { "It would lift the load line from " (rate(l.line)) " to " (rate(after)) "; traffic is " (rate(l.current)) "." }
                            @else { (p.evidence) }
                        },
                        (Some(p), None) => (p.evidence),
                        (None, Some(l)) => {
                            "The load line is " (rate(l.line)) ", traffic is " (rate(l.current)) ": no change that is known would lift it."
                        },
                        (None, None) => (parts::upper(&said.progress)),
                    }
                }
            }
        }
        (trial::under_way(s, status.trial.as_ref(), who))
        div data-part="proposals" { (proposals::all(c, &said.counsel, line.as_ref(), &said.stage, who)) }
        div.grid {
            section.panel.wide id="whatif" {
                div.panel-head { h2 { "What if" } }
                (whatif::panel(s, turns, ask, &said.counsel))
            }
            section.panel data-part="refused" {
                div.panel-head { h2 { "Not now" } }
                (proposals::refused(&said.counsel))
            }
            section.panel.full data-part="overlays" {
                div.panel-head { h2 { "Changes in service" } a href="/history" { "History" } }
                (overlays::all(c, who))
            }
        }
    };
    Shown {
        title: "Advice".into(),
        body,
        ask: Ask {
            page: PAGE.path.into(),
            ..Ask::default()
        },
        version: parts::version(c),
    }
}

#[derive(Deserialize)]
struct TryForm {
    which: String,
    /// Share of the users, percent.
    #[serde(default)]
    share: Option<f64>,
    /// An instruction has been carried out.
    #[serde(default)]
    done: Option<String>,
    #[serde(default)]
    who: String,
    /// Why, although its error budget holds it back.
    #[serde(default, rename = "override")]
    override_reason: Option<String>,
}

async fn try_it(app: App, Form(form): Form<TryForm>) -> Response {
    let usual = TryOptions::default();
    let options = TryOptions {
        share: form.share.map_or(usual.share, |p| p / 100.0),
        who: app.who.named(&form.who),
        done: form.done.is_some(),
        override_reason: form.override_reason,
        ..usual
    };
    change(app, move |s| {
        s.control.try_proposal(&form.which, &options).map(drop)
    })
    .await
}

#[derive(Deserialize)]
struct RollbackForm {
    overlay: String,
    #[serde(default)]
    who: String,
}

async fn rollback(app: App, Form(form): Form<RollbackForm>) -> Response {
    let who = app.who.named(&form.who);
    change(app, move |s| s.control.rollback(&form.overlay, &who)).await
}

/// Does it, and shows what came of it: with GET, so that it is not done again when the page is loaded again.
async fn change(
    app: App,
    work: impl FnOnce(&State) -> Result<(), Vec<base::Finding>> + Send + 'static,
) -> Response {
    let state = app.state.clone();
    let done = tokio::task::spawn_blocking(move || work(&state)).await;
    match done {
        Ok(Ok(())) => Redirect::to("/advice").into_response(),
        Ok(Err(findings)) => show(app, &PAGE, move |_| Err(Problem::from(findings))).await,
        Err(_) => Problem::internal().into_response(),
    }
}
