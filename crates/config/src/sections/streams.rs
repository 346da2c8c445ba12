//! Event streams, what fills them from databases, and what is built from them.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Streams {
    /// Bytes of the file at which no more events are taken.
    pub size: u64,
    /// Events that are older are let go; `None`: they stay.
    pub retention: Option<Duration>,
    /// With a durable engine: the same for all nodes.
    #[serde(default = "yes")]
    pub shared: bool,
}

fn yes() -> bool {
    true
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            size: 4 << 30,
            retention: None,
            shared: true,
        }
    }
}

/// Rows of a table of PostgreSQL that become events of a stream or jobs of a route, and are deleted then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    pub name: String,
    pub postgres: Secret,
    /// Who may have signed the server's certificate (PEM).
    pub ca: Option<PathBuf>,
    /// With its schema before a dot, where it is not in the search path.
    pub table: String,
    pub to: Target,
    /// Of the request that a job is.
    #[serde(default = "root")]
    pub path: String,
    pub columns: Columns,
    /// Rows at once, at most.
    pub batch: u32,
    /// How often an empty table is looked at.
    pub poll: Duration,
}

fn root() -> String {
    "/".into()
}

/// Where rows go, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    Stream(String),
    /// A route that takes jobs.
    Job(String),
}

/// What is where in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// Unique, and in the order in which rows go.
    pub id: String,
    pub kind: String,
    pub data: String,
    /// `None`: events have no subject.
    pub subject: Option<String>,
}

impl Outbox {
    pub fn named(name: &str) -> Outbox {
        Outbox {
            name: name.to_owned(),
            postgres: Secret::Text(String::new()),
            ca: None,
            table: "outbox".into(),
            to: Target::Stream(String::new()),
            path: root(),
            columns: Columns {
                id: "id".into(),
                kind: "type".into(),
                data: "payload".into(),
                subject: None,
            },
            batch: 200,
            poll: Duration::from_millis(200),
        }
    }
}

/// A service that events are pushed to, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    pub name: String,
    /// Where they are posted.
    pub to: String,
    /// Of this stream only.
    pub stream: Option<String>,
    /// Of the streams whose names begin so.
    pub prefix: Option<String>,
    /// Events in one request, at most.
    pub batch: u32,
    pub timeout: Duration,
    pub headers: Vec<(String, Secret)>,
}

impl Projection {
    pub fn named(name: &str) -> Projection {
        Projection {
            name: name.to_owned(),
            to: String::new(),
            stream: None,
            prefix: None,
            batch: 100,
            timeout: Duration::from_secs(30),
            headers: Vec::new(),
        }
    }
}

/// Requests that say what they must see wait for a projection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    /// Of the projection.
    pub name: String,
    pub max_wait: Duration,
    /// Who has waited in vain passes, and is told so; else it is refused.
    pub pass: bool,
}

impl Awaited {
    pub fn named(name: &str) -> Awaited {
        Awaited {
            name: name.to_owned(),
            max_wait: Duration::from_secs(2),
            pass: false,
        }
    }
}
