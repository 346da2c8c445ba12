//! The API: JSON in, JSON out; errors are problem+json with their findings.

mod list;
mod openapi;

pub use list::router;

use crate::{App, AskPurge, AskWhy, StartRecording, State};
use axum::extract::{Path, Query, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base::Finding;
use control::trial::TryOptions;
use serde::Deserialize;
use serde_json::{Value, json};

/// An error as RFC 9457 writes it, with the findings behind it.
pub struct Problem {
    pub status: StatusCode,
    pub title: String,
    pub findings: Vec<Finding>,
}

impl Problem {
    pub fn not_found() -> Problem {
        Problem {
            status: StatusCode::NOT_FOUND,
            title: "no such page; the API is below /api/v1/".into(),
            findings: vec![],
        }
    }
    pub fn forbidden(why: &str) -> Problem {
        Problem {
            status: StatusCode::FORBIDDEN,
            title: why.into(),
            findings: vec![],
        }
    }
    pub fn internal() -> Problem {
        Problem {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "the work behind this answer ended early".into(),
            findings: vec![],
        }
    }
}

impl From<Vec<Finding>> for Problem {
    fn from(findings: Vec<Finding>) -> Problem {
        let title = findings
            .first()
            .map_or("refused".to_owned(), |f| f.what.clone());
        let unknown = findings
            .first()
            .is_some_and(|f| f.code.ends_with("-unknown"));
        let status = if unknown {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::CONFLICT
        };
        Problem {
            status,
            title,
            findings,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "status": self.status.as_u16(), "title": self.title, "findings": self.findings });
        (
            self.status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body.to_string(),
        )
            .into_response()
    }
}

type Answer = Result<Json<Value>, Problem>;

async fn blocking<T: serde::Serialize>(
    s: State,
    work: impl FnOnce(&control::Control) -> Result<T, Vec<Finding>> + Send + 'static,
) -> Answer {
    off_thread(move || work(&s.control)).await
}

/// What reads and writes a disk does not belong on the async threads.
async fn off_thread<T: serde::Serialize>(
    work: impl FnOnce() -> Result<T, Vec<Finding>> + Send + 'static,
) -> Answer {
    let done = tokio::task::spawn_blocking(move || {
        let value = work().map_err(Problem::from)?;
        serde_json::to_value(value)
            .map(Json)
            .map_err(|_| Problem::internal())
    });
    done.await.unwrap_or_else(|_| Err(Problem::internal()))
}

pub async fn status(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.status())).await
}

pub async fn probes(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.probes)())
}

pub async fn mirrors(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.mirrors)())
}

pub async fn agents(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.agents)())
}

pub async fn diagnosis(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.diagnose())).await
}

pub async fn advice(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.advise())).await
}

pub async fn overlays(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.overlays())).await
}

pub async fn diff(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.diff())).await
}

pub async fn trial(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    blocking(s, move |c| c.trial(&id)).await
}

#[derive(Deserialize)]
pub struct WhatIf {
    q: String,
}

pub async fn whatif(Extract(s): Extract<State>, Query(w): Query<WhatIf>) -> Answer {
    blocking(s, move |c| c.whatif(&w.q)).await
}

#[derive(Deserialize)]
pub struct Last {
    n: Option<usize>,
}

pub async fn history(Extract(s): Extract<State>, Query(last): Query<Last>) -> Answer {
    blocking(s, move |c| c.history(last.n.unwrap_or(50).min(1000))).await
}

#[derive(Deserialize)]
pub struct Lately {
    last_s: Option<u64>,
}

/// Seconds of traffic that are told when nobody says how many.
const LAST_S: u64 = 300;

pub async fn traffic(Extract(s): Extract<State>, Query(l): Query<Lately>) -> Answer {
    blocking(s, move |c| Ok(c.traffic(l.last_s.unwrap_or(LAST_S)))).await
}

pub async fn routes(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.routes())).await
}

pub async fn route_traffic(
    Extract(s): Extract<State>,
    Path(name): Path<String>,
    Query(l): Query<Lately>,
) -> Answer {
    blocking(s, move |c| {
        Ok(c.route_traffic(&name, l.last_s.unwrap_or(LAST_S)))
    })
    .await
}

pub async fn topology(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.topology())).await
}

pub async fn instances(Extract(s): Extract<State>) -> Answer {
    off_thread(move || Ok(s.path.instances())).await
}

pub async fn decisions(Extract(s): Extract<State>) -> Answer {
    off_thread(move || Ok(s.path.decisions())).await
}

pub async fn generation(Extract(s): Extract<State>, Path(number): Path<u64>) -> Answer {
    blocking(s, move |c| c.generation_view(number)).await
}

#[derive(Deserialize)]
pub struct Try {
    /// Id of a proposal, or its number from 1.
    which: String,
    #[serde(default)]
    options: TryOptions,
}

pub async fn try_proposal(Extract(s): Extract<State>, Json(t): Json<Try>) -> Answer {
    blocking(s, move |c| {
        c.try_proposal(&t.which, &t.options)
            .map(|id| json!({ "trial": id }))
    })
    .await
}

#[derive(Deserialize)]
pub struct Rollback {
    overlay: String,
    #[serde(default = "someone")]
    who: String,
}

fn someone() -> String {
    "someone".into()
}

pub async fn rollback(Extract(s): Extract<State>, Json(r): Json<Rollback>) -> Answer {
    blocking(s, move |c| {
        c.rollback(&r.overlay, &r.who)
            .map(|()| json!({ "rolled_back": r.overlay }))
    })
    .await
}

pub async fn cache_why(Extract(s): Extract<State>, Query(ask): Query<AskWhy>) -> Answer {
    off_thread(move || s.caches.why(&ask)).await
}

pub async fn purge(Extract(s): Extract<State>, Json(ask): Json<AskPurge>) -> Answer {
    off_thread(move || s.caches.purge(&ask)).await
}

pub async fn recording(Extract(s): Extract<State>) -> Answer {
    s.recordings.progress().map(Json).ok_or_else(|| {
        let none = Finding::error(
            "recording-unknown",
            "nothing has been recorded since the start",
        );
        Problem::from(vec![
            none.help("start one with `plimsoll record --out DIR`"),
        ])
    })
}

pub async fn start_recording(
    Extract(s): Extract<State>,
    Json(ask): Json<StartRecording>,
) -> Answer {
    off_thread(move || s.recordings.start(&ask)).await
}

pub async fn stop_recording(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.recordings.stop()).await
}

pub async fn certificate(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.certificate)())
}

pub async fn upgrade(Extract(s): Extract<State>) -> Json<Value> {
    Json(s.upgrades.progress())
}

pub async fn start_upgrade(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.upgrades.start()).await
}
