//! The queue of jobs over the API.

use super::*;
use crate::{Deed, JobList};
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

#[derive(Deserialize)]
pub struct OfRoute {
    route: String,
}

#[derive(Deserialize)]
pub struct OfJob {
    job: String,
}

#[derive(Deserialize)]
pub struct Dead {
    job: Option<String>,
    route: Option<String>,
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

pub async fn redrive(Extract(s): Extract<State>, by: By, Json(ask): Json<Dead>) -> Answer {
    let (job, route) = (ask.job, ask.route);
    act(s, by, Deed::Redrive { job, route }).await
}

async fn act(s: State, Extension(who): By, deed: Deed) -> Answer {
    noted(s, who, deed.said(), move |s| s.jobs.act(&deed)).await
}
