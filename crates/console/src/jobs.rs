//! What is asked of the queue of jobs.

use base::Finding;
use serde::Deserialize;
use serde_json::Value;

pub trait Jobs: Send + Sync {
    /// Each route's queue: how much waits, how fast it drains, and why not faster. A list.
    fn lanes(&self) -> Result<Value, Vec<Finding>>;
    /// Jobs by the calendar: when each was due last, and is due next. A list.
    fn crons(&self) -> Result<Value, Vec<Finding>> {
        Ok(Value::Array(Vec::new()))
    }
    fn list(&self, ask: &JobList) -> Result<Value, Vec<Finding>>;
    fn show(&self, id: &str) -> Result<Value, Vec<Finding>>;
    fn act(&self, deed: &Deed) -> Result<Value, Vec<Finding>>;
}

/// Which jobs to list.
#[derive(Clone, Debug, Deserialize)]
pub struct JobList {
    pub route: String,
    /// Else those that wait.
    pub state: Option<String>,
    /// Place of the last one that was listed before: the part of its id before the dash.
    pub after: Option<u64>,
    pub limit: Option<u32>,
}

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Deed {
    Pause {
        route: String,
    },
    Resume {
        route: String,
    },
    Cancel {
        job: String,
    },
    /// One dead job, or all of a route.
    Redrive {
        job: Option<String>,
        route: Option<String>,
    },
}

impl Deed {
    /// For people.
    pub(crate) fn said(&self) -> String {
        match self {
            Deed::Pause { route } => format!("jobs: {route} paused"),
            Deed::Resume { route } => format!("jobs: {route} resumed"),
            Deed::Cancel { job } => format!("jobs: {job} cancelled"),
            Deed::Redrive { job, route } => {
                let which = job.as_ref().or(route.as_ref());
                format!("jobs: {} redriven", which.map_or("none", |w| w))
            }
        }
    }
}
