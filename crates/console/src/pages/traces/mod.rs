//! Traces: requests that failed or were slow, and some of the rest, step by step.

mod list;
mod one;
mod waterfall;

use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::App;
use crate::live::Frame;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use base::number::seconds;
use maud::{Markup, html};
use traces::Summary;

pub static PAGE: Page = Page {
    path: "/traces",
    title: "Traces",
    routes: || {
        Router::new()
            .route("/traces", get(all))
            .route("/traces/{id}", get(trace))
    },
    // What is shown does not change under the eyes of who reads it.
    live: |_, _| Frame::default(),
};

async fn all(app: App, Query(asked): Query<list::Asked>) -> Response {
    show(app, &PAGE, move |s| list::render(s, &asked)).await
}

async fn trace(app: App, Path(id): Path<String>) -> Response {
    show(app, &PAGE, move |s| one::render(s, &id)).await
}

fn shown(title: String, body: Markup) -> Shown {
    Shown {
        title,
        body,
        ask: Ask {
            page: PAGE.path.into(),
            ..Ask::default()
        },
        version: String::new(),
    }
}

/// `GET home`, or what there is of it.
fn request(s: &Summary) -> String {
    let route = if s.route.is_empty() {
        "no route"
    } else {
        &*s.route
    };
    format!("{} {route}", s.method)
}

fn status(s: &Summary) -> Markup {
    let tone = match &*s.why {
        "error" => "over",
        "slow" => "near",
        _ => "ok",
    };
    html! {
        span class={ "chip tone-" (tone) } {
            @if s.status > 0 { (s.status) " " }
            (match &*s.why { "share" => "sampled", why => why })
        }
    }
}

fn took(us: u64) -> String {
    seconds(Some(us as f64 / 1e6))
}
