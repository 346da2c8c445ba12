//! Patterns in the windows that no demand shows: work that is made again, falls on one instance, comes in bursts, stands
//! still, or piles up. One file each, one line each in `PATTERNS`. They name the cause behind a constraint.

mod backlog;
mod hot;
#[cfg(test)]
pub(crate) mod made;
mod pauses;
mod retries;
mod rhythm;
mod stampede;

pub use backlog::{Backlog, route_of as jobs_of};
pub use hot::{EXCESS, Hot, unnumbered};
pub use pauses::Pauses;
pub use retries::{FACTOR as RETRIES, Retries};
pub use stampede::Stampede;

use crate::demand::Series;
use crate::fit::Fit;
use base::{History, Window};
use serde::{Deserialize, Serialize};
use std::fmt;

/// At most so many are told of: thousands of routes may be alike.
const MOST: usize = 64;

/// Where patterns are looked for.
pub struct Seen<'a> {
    pub history: &'a History,
    /// Index of the first window that counts.
    pub from: u64,
    pub series: &'a Series,
    /// What was learned from the same windows.
    pub fit: &'a Fit,
}

impl<'a> Seen<'a> {
    /// The windows, with their second since the first of them.
    pub fn windows(&self) -> impl Iterator<Item = (usize, &'a Window)> + use<'a> {
        let (from, history) = (self.from, self.history);
        let windows = history.windows.iter().filter(move |w| w.index >= from);
        let first = windows.clone().next().map_or(0, |w| w.index);
        let seconds = self.series.seconds;
        windows
            .map(move |w| ((w.index - first) as usize, &**w))
            .filter(move |(t, _)| *t < seconds)
    }

    pub fn service(&self, route: usize) -> &'a str {
        let info = self.history.routes.get(route);
        info.map_or("", |r| r.service.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Pattern {
    Retries(Retries),
    Hot(Hot),
    Stampede(Stampede),
    Pauses(Pauses),
    Backlog(Backlog),
}

type Find = fn(&Seen) -> Vec<Pattern>;

/// Every pattern, in the order in which they are told.
const PATTERNS: &[Find] = &[
    retries::find,
    hot::find,
    stampede::find,
    pauses::find,
    backlog::find,
];

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let all = PATTERNS.iter().flat_map(|find| find(seen));
    all.take(MOST).collect()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Retries(x) => x.fmt(f),
            Pattern::Hot(x) => x.fmt(f),
            Pattern::Stampede(x) => x.fmt(f),
            Pattern::Pauses(x) => x.fmt(f),
            Pattern::Backlog(x) => x.fmt(f),
        }
    }
}

impl Fit {
    /// Tries of one request of a route that the gateway makes, because some fail.
    pub fn tries(&self, route: usize) -> f64 {
        let Some(name) = self.routes.get(route).map(|r| &r.info.name) else {
            return 1.0;
        };
        let own = |p: &Pattern| match p {
            Pattern::Retries(x) if x.caller.is_none() && x.route == *name => Some(x.factor),
            _ => None,
        };
        self.patterns.iter().find_map(own).unwrap_or(1.0)
    }

    /// How much busier the busiest copy of a resource is than the mean of them: above 1 where one instance gets more
    /// than its part.
    pub fn skew(&self, resource: usize) -> f64 {
        self.hot(resource).map_or(1.0, Hot::skew)
    }

    pub fn hot(&self, resource: usize) -> Option<&Hot> {
        let r = self.resources.get(resource)?;
        let each = r.info.scope == base::Scope::PerInstance && r.instances > 1;
        let service = r.info.service.as_ref().filter(|_| each)?;
        self.patterns.iter().find_map(|p| match p {
            Pattern::Hot(x) if x.shard.is_none() && x.service == *service => Some(x),
            _ => None,
        })
    }

    /// The same of a shard that has a number of its own.
    pub fn hot_shard(&self, resource: usize) -> Option<&Hot> {
        let name = &self.resources.get(resource)?.info.name;
        self.patterns.iter().find_map(|p| match p {
            Pattern::Hot(x) if x.shard.as_ref() == Some(name) => Some(x),
            _ => None,
        })
    }
}
