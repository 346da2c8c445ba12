//! The queue of jobs over the API.

use super::*;
use crate::{AskJobs, JobList};

pub async fn lanes(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.jobs.lanes()).await
}

pub async fn list(Extract(s): Extract<State>, Query(ask): Query<JobList>) -> Answer {
    off_thread(move || s.jobs.list(&ask)).await
}

pub async fn show(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    off_thread(move || s.jobs.show(&id)).await
}

pub async fn act(
    Extract(s): Extract<State>,
    Extension(who): Extension<Who>,
    Json(ask): Json<AskJobs>,
) -> Answer {
    let what = ask.said();
    noted(s, who, what, move |s| s.jobs.act(&ask)).await
}
