//! Routes: what comes, how it is answered, what it uses, and what gates do with it.

mod business;
mod gates;
mod heat;
mod list;
mod one;

use super::shell::show;
use super::{Ask, Page};
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use base::number::{percent, rate, seconds};
use control::lately::RouteLately;
use serde::Deserialize;

pub static PAGE: Page = Page {
    path: "/routes",
    title: "Routes",
    routes: || {
        Router::new()
            .route("/routes", get(all))
            .route("/routes/{name}", get(one))
    },
    live,
};

async fn all(app: App, Query(view): Query<list::View>) -> Response {
    show(app, &PAGE, move |s| Ok(list::render(s, &view))).await
}

#[derive(Deserialize)]
struct Asked {
    last: Option<u64>,
}

async fn one(app: App, Path(name): Path<String>, Query(q): Query<Asked>) -> Response {
    show(app, &PAGE, move |s| one::render(s, &name, q.last)).await
}

fn live(s: &State, ask: &Ask) -> Frame {
    match ask.of.as_str() {
        "" => list::live(s, ask),
        name => one::live(s, ask, name),
    }
}

/// The numbers that change each second, by the names of their places.
fn said(r: &RouteLately) -> [(&'static str, String); 5] {
    [
        ("rate", rate(r.rate)),
        (
            "good",
            r.good.map_or("—".into(), |g| format!("{:.2} %", 100.0 * g)),
        ),
        ("p50", seconds(r.p50_s)),
        ("p99", seconds(r.p99_s)),
        ("cache", r.from_cache().map_or("—".into(), percent)),
    ]
}
