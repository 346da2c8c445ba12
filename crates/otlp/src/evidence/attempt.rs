//! What the spans of one attempt say.

use base::{Arm, RouteIx};
use std::collections::BTreeMap;

/// One attempt of the gateway, as its spans show it.
#[derive(Debug, PartialEq)]
pub struct Attempt {
    pub route: RouteIx,
    pub arm: Arm,
    /// Nanoseconds from its first span's start to that one's end.
    pub length: u64,
    pub uses: BTreeMap<Place, Used>,
    pub calls: Vec<Calls>,
    /// Calls of services, one after another.
    pub chain: Option<Chain>,
    /// Nanoseconds of the critical path, by whose they are.
    pub path: BTreeMap<Box<str>, u64>,
}

/// What is used: `db` or a resource that a span names, of the service that the route goes to or of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `None`: the service that the gateway called.
    pub service: Option<Box<str>>,
    /// As in `Server-Timing`: `db`, `lock.stock`.
    pub metric: Box<str>,
    /// The kind of database; empty for what is none.
    pub system: Box<str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub calls: u32,
    /// Nanoseconds.
    pub held: u64,
    pub waited: Option<u64>,
    pub returned: f64,
}

/// The same call, again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    pub what: Box<str>,
    pub database: bool,
    pub calls: u32,
    /// Of those, begun when all before had ended.
    pub serial: u32,
    pub length: u64,
}

/// Calls of services that begin when those before have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chain {
    pub calls: u32,
    /// Nanoseconds together, and of the longest of them.
    pub length: u64,
    pub longest: u64,
}
