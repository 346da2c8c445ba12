//! The API: JSON in, JSON out; errors are problem+json with their findings.

mod business;
mod catalog;
mod cost;
mod jobs;
mod list;
mod openapi;
mod problem;
pub mod prometheus;
mod slos;
mod streams;
mod topics;
mod traces;

pub use cost::UNITS_WINDOW;
pub use list::{role, router};
pub use problem::Problem;

use crate::access::Who;
use crate::turns::Turns;
use crate::{AskFlights, AskPurge, AskWhy, StartRecording, State, StopFlights};
use axum::extract::{Path, Query, State as Extract};
use axum::{Extension, Json, Router};
use base::Finding;
use control::trial::TryOptions;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

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

/// Does it, and writes down who had it done.
async fn noted<T: serde::Serialize>(
    s: State,
    who: Who,
    what: String,
    work: impl FnOnce(&State) -> Result<T, Vec<Finding>> + Send + 'static,
) -> Answer {
    off_thread(move || {
        let done = work(&s)?;
        s.control.note(&who.named(""), what)?;
        Ok(done)
    })
    .await
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

pub async fn stateful(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.stateful)())
}

pub async fn agents(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.agents)())
}

pub async fn replicas(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.replicas)())
}

pub async fn quotas(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.quotas)())
}

pub async fn engines(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.engines)())
}

pub async fn export(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.export)())
}

pub async fn past(Extract(s): Extract<State>) -> Answer {
    off_thread(move || Ok(s.past.standing())).await
}

pub async fn diagnosis(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.diagnose())).await
}

pub async fn advice(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.advise())).await
}

pub async fn statements(Extract(s): Extract<State>) -> Answer {
    blocking(s, |c| Ok(c.statements())).await
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

pub async fn whatif(
    Extract(s): Extract<State>,
    Extract(turns): Extract<Arc<Turns>>,
    Query(w): Query<WhatIf>,
) -> Answer {
    let turn = turns.wait().await.ok_or_else(Problem::busy)?;
    blocking(s, move |c| {
        let _turn = turn;
        c.whatif(&w.q)
    })
    .await
}

#[derive(Deserialize)]
pub struct Last {
    n: Option<u32>,
}

pub async fn history(Extract(s): Extract<State>, Query(last): Query<Last>) -> Answer {
    blocking(s, move |c| {
        c.history(last.n.unwrap_or(50).min(1000) as usize)
    })
    .await
}

#[derive(Deserialize)]
pub struct Lately {
    last_s: Option<u32>,
}

/// Seconds of traffic that are told when nobody says how many.
const LAST_S: u32 = 300;

pub async fn traffic(Extract(s): Extract<State>, Query(l): Query<Lately>) -> Answer {
    blocking(s, move |c| Ok(c.traffic(l.last_s.unwrap_or(LAST_S).into()))).await
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
        Ok(c.route_traffic(&name, l.last_s.unwrap_or(LAST_S).into()))
    })
    .await
}

pub async fn route_heat(
    Extract(s): Extract<State>,
    Path(name): Path<String>,
    Query(l): Query<Lately>,
) -> Answer {
    blocking(s, move |c| {
        Ok(c.route_heat(&name, l.last_s.unwrap_or(LAST_S).into()))
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

pub async fn generation(Extract(s): Extract<State>, Path(number): Path<u32>) -> Answer {
    blocking(s, move |c| c.generation_view(number.into())).await
}

#[derive(Deserialize)]
pub struct Try {
    /// Id of a proposal, or its number from 1.
    which: String,
    #[serde(default)]
    options: TryOptions,
}

pub async fn try_proposal(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(t): Json<Try>,
) -> Answer {
    let options = TryOptions {
        who: who.named(&t.options.who),
        ..t.options
    };
    blocking(s, move |c| {
        c.try_proposal(&t.which, &options)
            .map(|id| json!({ "trial": id }))
    })
    .await
}

#[derive(Deserialize)]
pub struct Rollback {
    overlay: String,
    #[serde(default)]
    who: String,
}

pub async fn rollback(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(r): Json<Rollback>,
) -> Answer {
    blocking(s, move |c| {
        c.rollback(&r.overlay, &who.named(&r.who))
            .map(|()| json!({ "rolled_back": r.overlay }))
    })
    .await
}

pub async fn cache_why(Extract(s): Extract<State>, Query(ask): Query<AskWhy>) -> Answer {
    off_thread(move || s.caches.why(&ask)).await
}

pub async fn cache_disks(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.caches.disks()).await
}

pub async fn cache_shared(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.caches.shared()).await
}

pub async fn purge(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(ask): Json<AskPurge>,
) -> Answer {
    let what = ask.said();
    noted(s, who, what, move |s| s.caches.purge(&ask)).await
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

pub async fn flights(Extract(s): Extract<State>) -> Answer {
    off_thread(move || Ok(s.flights.taken())).await
}

pub async fn start_flights(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(ask): Json<AskFlights>,
) -> Answer {
    let what = format!("profile of {} for {} s", ask.service, ask.seconds);
    noted(s, who, what, move |s| s.flights.start(&ask)).await
}

pub async fn stop_flights(Extract(s): Extract<State>, Json(ask): Json<StopFlights>) -> Answer {
    off_thread(move || s.flights.stop(ask.id)).await
}

pub async fn start_recording(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(ask): Json<StartRecording>,
) -> Answer {
    let what = format!("recording to {} started", ask.folder.display());
    noted(s, who, what, move |s| s.recordings.start(&ask)).await
}

pub async fn stop_recording(Extract(s): Extract<State>, Extension(who): Extension<Who>) -> Answer {
    let what = "recording stopped".to_owned();
    noted(s, who, what, |s| s.recordings.stop()).await
}

pub async fn certificate(Extract(s): Extract<State>) -> Json<Value> {
    Json((s.certificate)())
}

pub async fn upgrade(Extract(s): Extract<State>) -> Json<Value> {
    Json(s.upgrades.progress())
}

pub async fn start_upgrade(Extract(s): Extract<State>, Extension(who): Extension<Who>) -> Answer {
    let what = "upgrade to another binary asked for".to_owned();
    noted(s, who, what, |s| s.upgrades.start()).await
}
