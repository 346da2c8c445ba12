//! What a database does for requests, statement by statement: evidence for the advice.

use serde::{Deserialize, Serialize};

/// One statement of a database, its values left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The resource that stands for the database, such as `db.shop`.
    pub database: String,
    /// Its text, with `$1` for each value.
    pub text: String,
    /// Routes that sent it, and the share of what was seen of it, largest first; empty: its text carries no tag.
    pub routes: Vec<(String, f64)>,
    /// Calls per second, seconds of one call, and rows that one call returns.
    pub calls: f64,
    pub seconds: f64,
    pub returned: f64,
    /// It reads a whole table.
    pub scan: Option<Scan>,
    /// The lock that it mostly waits for, such as `lock.shop.stock`, and how many wait on average.
    pub waits_for: Option<String>,
    pub waiting: f64,
    /// The lock that others wait for while its transaction is open.
    pub holds: Option<String>,
    /// Mean number of connections whose transaction stays open after it with nothing to do.
    #[serde(default)]
    pub idle: f64,
}

/// A table that is read from end to end for the few rows that a condition lets pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    pub table: String,
    /// Columns of the condition that an index could serve.
    pub columns: Vec<String>,
    /// Rows of the table, and its size in bytes.
    pub rows: f64,
    pub bytes: f64,
}
