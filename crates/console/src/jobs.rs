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
    /// The request that a job carries.
    fn request(&self, id: &str) -> Result<Value, Vec<Finding>>;
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
    Redrive {
        which: Dead,
        /// Per second; `None`: all at once.
        rate: Option<f64>,
    },
    /// One dead job goes on as another one, which carries this body instead.
    Edit {
        job: String,
        body: Vec<u8>,
    },
    Discard(Dead),
}

/// One dead job, or those of a route.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Dead {
    pub job: Option<String>,
    pub route: Option<String>,
    /// Of a route only those whose reason has this text in it, and whose request.
    pub reason: Option<String>,
    pub request: Option<String>,
}

impl Dead {
    /// For people.
    fn said(&self) -> String {
        let Some(route) = self.route.as_ref().filter(|_| self.job.is_none()) else {
            return self.job.clone().unwrap_or("none".into());
        };
        let with = |what: &str, text: &Option<String>| {
            (text.as_ref()).map_or(String::new(), |t| {
                format!(", {what} with `{}`", t.escape_debug())
            })
        };
        let (reason, request) = (with("reason", &self.reason), with("request", &self.request));
        format!("dead ones of {route}{reason}{request}")
    }
}

impl Deed {
    /// For people.
    pub(crate) fn said(&self) -> String {
        match self {
            Deed::Pause { route } => format!("jobs: {route} paused"),
            Deed::Resume { route } => format!("jobs: {route} resumed"),
            Deed::Cancel { job } => format!("jobs: {job} cancelled"),
            Deed::Redrive { which, rate } => {
                let at = rate.map_or(String::new(), |r| format!(" at {r} per second"));
                format!("jobs: {} redriven{at}", which.said())
            }
            Deed::Edit { job, body } => {
                format!("jobs: {job} redriven with a body of {} bytes", body.len())
            }
            Deed::Discard(which) => format!("jobs: {} discarded", which.said()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_says_what_was_done_and_to_which() {
        let text = |t: &str| Some(t.to_owned());
        let some = Dead {
            route: text("orders"),
            reason: text("422"),
            ..Dead::default()
        };
        let redriven = Deed::Redrive {
            which: some.clone(),
            rate: Some(5.0),
        };
        assert_eq!(
            redriven.said(),
            "jobs: dead ones of orders, reason with `422` redriven at 5 per second"
        );
        assert_eq!(
            Deed::Discard(some).said(),
            "jobs: dead ones of orders, reason with `422` discarded"
        );
        let edited = Deed::Edit {
            job: "1f-ab".into(),
            body: b"secret".to_vec(),
        };
        assert_eq!(edited.said(), "jobs: 1f-ab redriven with a body of 6 bytes");
    }
}
