//! The queue of jobs over the API.

use super::*;
use crate::{Dead, Deed, JobList};
use base::Finding;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

pub async fn lanes(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.jobs.lanes()).await
}

pub async fn crons(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.jobs.crons()).await
}

pub async fn list(Extract(s): Extract<State>, Query(ask): Query<JobList>) -> Answer {
    off_thread(move || s.jobs.list(&ask)).await
}

pub async fn show(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    off_thread(move || s.jobs.show(&id)).await
}

pub async fn request(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    off_thread(move || s.jobs.request(&id)).await
}

#[derive(Deserialize)]
pub struct OfRoute {
    route: String,
}

#[derive(Deserialize)]
pub struct OfJob {
    job: String,
}

#[derive(Deserialize)]
pub struct Redrive {
    #[serde(flatten)]
    which: Dead,
    rate: Option<f64>,
}

#[derive(Deserialize)]
pub struct Edit {
    job: String,
    /// In base64.
    body: String,
}

type By = Extension<Who>;

pub async fn pause(Extract(s): Extract<State>, by: By, Json(ask): Json<OfRoute>) -> Answer {
    act(s, by, Deed::Pause { route: ask.route }).await
}

pub async fn resume(Extract(s): Extract<State>, by: By, Json(ask): Json<OfRoute>) -> Answer {
    act(s, by, Deed::Resume { route: ask.route }).await
}

pub async fn cancel(Extract(s): Extract<State>, by: By, Json(ask): Json<OfJob>) -> Answer {
    act(s, by, Deed::Cancel { job: ask.job }).await
}

pub async fn redrive(Extract(s): Extract<State>, by: By, Json(ask): Json<Redrive>) -> Answer {
    let Redrive { which, rate } = ask;
    act(s, by, Deed::Redrive { which, rate }).await
}

pub async fn discard(Extract(s): Extract<State>, by: By, Json(which): Json<Dead>) -> Answer {
    act(s, by, Deed::Discard(which)).await
}

pub async fn edit(Extract(s): Extract<State>, by: By, Json(ask): Json<Edit>) -> Answer {
    match BASE64.decode(ask.body) {
        Ok(body) => act(s, by, Deed::Edit { job: ask.job, body }).await,
        Err(e) => {
            let what = format!("`body` is no base64: {e}");
            off_thread::<()>(move || Err(vec![Finding::error("jobs-edit", what)])).await
        }
    }
}

async fn act(s: State, Extension(who): By, deed: Deed) -> Answer {
    noted(s, who, deed.said(), move |s| s.jobs.act(&deed)).await
}
