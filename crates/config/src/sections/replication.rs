//! Databases with read replicas, and what routes ask of what is read.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Most databases of one replication, the primary included.
pub const MOST_DATABASES: usize = 16;

/// A primary and those that follow it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    pub name: String,
    /// The first one is called `primary`, and is that until another has been promoted.
    pub databases: Vec<Database>,
    /// Between two questions to each of them.
    pub poll: Duration,
    /// How often what is written and not yet flushed is made to move on; `None`: never.
    pub heartbeat: Option<Duration>,
    /// Longest wait of a read for a replica that is behind.
    pub max_wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    /// Its URL. A checked configuration has one.
    pub postgres: Option<Secret>,
    /// Who may have signed its certificate.
    pub ca: Option<PathBuf>,
}

impl Database {
    /// What the one that is written first in `replication` is called.
    pub const PRIMARY: &str = "primary";

    pub fn named(name: &str) -> Database {
        Database {
            name: name.to_owned(),
            postgres: None,
            ca: None,
        }
    }
}

impl Replication {
    pub fn named(name: &str) -> Replication {
        Replication {
            name: name.to_owned(),
            databases: Vec::new(),
            poll: Duration::from_millis(10),
            heartbeat: Some(Duration::from_secs(1)),
            max_wait: Duration::from_millis(50),
        }
    }

    pub fn place(&self, database: &str) -> Option<usize> {
        self.databases.iter().position(|d| d.name == database)
    }
}

/// What reads of a route may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consistency {
    /// What the primary has.
    Strong,
    /// Nothing older than what the same session has written or seen.
    Session,
    /// Nothing older than this.
    Bounded(Duration),
    /// Whatever a replica has; one session stays with one replica.
    Eventual,
}

/// Where safe requests of a route go instead of `to`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    pub to: String,
    /// `None`: that of the route.
    pub deadline: Option<super::Deadline>,
}
