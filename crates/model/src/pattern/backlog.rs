//! Jobs that come faster than their workers get them done: the queue grows while nobody waits for an answer. Our own
//! queue tells workers, what is under way and what waits exactly, as `pool.SERVICE.jobs.ROUTE`.

use super::{Pattern, Seen};
use base::Grade;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What names the workers of a route's jobs, behind the service.
pub const WORKERS: &str = "jobs";
/// Workers this busy do not catch up: a queue at 90 % is ten times as long as what is served (M/M/1).
const FULL: f64 = 0.9;
/// Jobs that must wait at the end, more than at the beginning.
const GROWN: f64 = 10.0;
/// And times as many.
const TIMES: f64 = 1.5;
/// Seconds in which the queue must have been seen.
const ENOUGH: usize = 30;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backlog {
    pub route: String,
    /// The workers.
    pub resource: String,
    pub workers: f64,
    pub utilisation: f64,
    /// Jobs that wait now, and how many more each second.
    pub waiting: f64,
    pub growth: f64,
    /// Seconds until a job that comes now is begun.
    pub lag_s: f64,
    pub grade: Grade,
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "backlog: {:.0} jobs of {} wait and {:.1} more each second, with {:.0} workers {:.0} % busy; one that comes \
             now is begun in {:.0} s",
            self.waiting,
            self.route,
            self.growth,
            self.workers,
            100.0 * self.utilisation,
            self.lag_s
        )
    }
}

/// The route whose jobs a resource's workers do; `None`: it is something else.
pub fn route_of(resource: &str) -> Option<&str> {
    let rest = resource.strip_prefix("pool.")?;
    let at = rest.find(&format!(".{WORKERS}."))?;
    rest.get(at + WORKERS.len() + 2..).filter(|r| !r.is_empty())
}

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let resources = seen.fit.resources.iter().enumerate();
    let found = resources.filter_map(|(k, r)| of(seen, k, route_of(&r.info.name)?));
    found.map(Pattern::Backlog).collect()
}

fn of(seen: &Seen, k: usize, route: &str) -> Option<Backlog> {
    let (column, r) = (seen.series.resources.get(k)?, &seen.fit.resources[k]);
    let waiting = column.waiting.as_ref()?;
    let told: Vec<f64> = (0..seen.series.seconds)
        .filter(|&t| column.seen[t])
        .map(|t| waiting[t])
        .collect();
    if told.len() < ENOUGH || r.utilisation < FULL {
        return None;
    }
    let third = told.len() / 3;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let thirds = [&told[..third], &told[third..2 * third], &told[2 * third..]].map(mean);
    let grows = thirds[0] < thirds[1] && thirds[1] < thirds[2];
    if !grows || thirds[2] - thirds[0] < GROWN || thirds[2] < TIMES * thirds[0] {
        return None;
    }
    let growth = (thirds[2] - thirds[0]) / (2.0 * third as f64);
    let last = mean(&told[told.len().saturating_sub(5)..]);
    let i = seen.history.routes.iter().position(|r| r.name == route);
    let life = i.map_or(0.0, |i| seen.series.life[i].iter().sum::<f64>());
    let done = life / seen.series.covered().max(1.0);
    Some(Backlog {
        route: route.to_owned(),
        resource: r.info.name.clone(),
        workers: r.capacity,
        utilisation: r.utilisation,
        waiting: last,
        growth,
        lag_s: last / done.max(1e-3),
        grade: Grade::Direct,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::made::{Made, found};

    /// Two workers, of which `busy` are at it; `waiting(second)` jobs.
    fn jobs(busy: f64, waiting: impl Fn(usize) -> f64) -> Option<Backlog> {
        let mut m = Made::new(&[("report", "front")], 120);
        m.resource("pool.front.jobs.report");
        for t in 0..120 {
            m.requests(t, 0, 10, 0.001);
            m.attempts(t, 0, 0, 10, busy / 10.0);
            m.told(t, 0, busy, 2.0, waiting(t));
        }
        found(&m).into_iter().find_map(|p| match p {
            Pattern::Backlog(x) => Some(x),
            _ => None,
        })
    }

    #[test]
    fn a_queue_that_grows_behind_busy_workers_is_a_backlog() {
        let b = jobs(1.98, |t| 3.0 + 2.0 * t as f64).unwrap();
        assert_eq!((b.route.as_str(), b.workers), ("report", 2.0));
        assert!(
            (b.growth - 2.0).abs() < 0.1 && (b.waiting - 237.0).abs() < 1.0,
            "{b:?}"
        );
        assert!((b.lag_s - 23.7).abs() < 0.5, "{b:?}");
    }

    #[test]
    fn a_queue_that_stands_falls_or_has_idle_workers_is_none() {
        assert_eq!(jobs(1.98, |_| 40.0), None);
        assert_eq!(
            jobs(1.98, |t| 300.0 - 2.0 * t as f64),
            None,
            "it catches up"
        );
        assert_eq!(
            jobs(0.8, |t| 2.0 * t as f64),
            None,
            "something else holds it"
        );
    }

    #[test]
    fn workers_tell_their_route() {
        assert_eq!(route_of("pool.front.jobs.mail.send"), Some("mail.send"));
        assert_eq!(route_of("pool.front.db"), None);
        assert_eq!(route_of("pool.front.jobs."), None);
    }
}
