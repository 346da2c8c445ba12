//! Requests that are tried again because tries fail: each one does the work once more, just when there is too much of it.
//! The gateway knows its own tries exactly. A service's are seen in its calls: several for each request, of which no more
//! than one comes to something.

use super::{Pattern, Seen};
use base::Grade;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Tries per request from which retries are a load of their own: a budget of a tenth of the requests keeps below it
/// (Site Reliability Engineering, ch. 21, "Handling Overload").
pub const FACTOR: f64 = 1.1;
/// Of the tries beyond the first, how many must follow a failed one: a hedge is made beside a good one.
const FOLLOW: f64 = 0.5;
/// Good calls per request of the caller, at most: more are calls that it wants.
const ONE: f64 = 1.05;
/// Fewer tries again tell nothing.
const ENOUGH: f64 = 30.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// The route that is asked again, and the service behind it whose answers fail.
    pub route: String,
    pub service: String,
    /// The route that asks again; `None`: the gateway itself.
    pub caller: Option<String>,
    /// Tries per request.
    pub factor: f64,
    /// Share of the tries that fail, 0 to 1.
    pub failed: f64,
    /// Direct: the gateway's own count; regression: from calls and failures.
    pub grade: Grade,
}

impl fmt::Display for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match &self.caller {
            Some(route) => format!("one request of {route} asks {}", self.route),
            None => format!("the gateway tries one request of {}", self.route),
        };
        write!(
            f,
            "retry storm: {who} {:.1} times, because {:.0} % of the answers of {} fail",
            self.factor,
            100.0 * self.failed,
            if self.service.is_empty() {
                "its service"
            } else {
                &self.service
            }
        )
    }
}

/// Of one route, over the span.
#[derive(Clone, Copy, Default)]
struct Count {
    attempts: f64,
    failed: f64,
    /// Requests that took at least one try.
    tried: f64,
    served: f64,
    errors: f64,
}

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let counts = counts(seen);
    let own: Vec<Option<Retries>> = (0..counts.len()).map(|r| own(seen, &counts, r)).collect();
    let factor = |r: usize| own[r].as_ref().map_or(1.0, |x| x.factor);
    let mut all: Vec<Retries> = Vec::new();
    for (p, row) in seen.fit.calls.iter().enumerate() {
        for (c, calls) in row.iter().enumerate().filter(|(_, n)| **n > FACTOR) {
            all.extend(called(seen, &counts, p, c, calls / factor(p)));
        }
    }
    let all = own.into_iter().flatten().chain(all);
    all.map(Pattern::Retries).collect()
}

fn counts(seen: &Seen) -> Vec<Count> {
    let mut all = vec![Count::default(); seen.history.routes.len()];
    for (_, w) in seen.windows() {
        for c in &w.attempts {
            if let Some(x) = c.key.route.get().and_then(|r| all.get_mut(r)) {
                x.attempts += f64::from(c.ends);
                x.failed += f64::from(c.errors);
            }
        }
        for c in &w.requests {
            if let Some(x) = c.key.route.get().and_then(|r| all.get_mut(r)) {
                let served = c.ends.saturating_sub(c.refused);
                x.served += f64::from(served);
                x.tried += f64::from(served.saturating_sub(c.cache_hits));
                x.errors += f64::from(c.errors);
            }
        }
    }
    all
}

/// The gateway's own.
fn own(seen: &Seen, counts: &[Count], r: usize) -> Option<Retries> {
    let c = counts[r];
    let again = c.attempts - c.tried;
    let factor = c.attempts / c.tried.max(1.0);
    if again < ENOUGH || factor <= FACTOR || c.failed < FOLLOW * again {
        return None;
    }
    Some(Retries {
        route: seen.history.routes[r].name.clone(),
        service: seen.service(r).to_owned(),
        caller: None,
        factor,
        failed: (c.failed / c.attempts).min(1.0),
        grade: Grade::Direct,
    })
}

/// A service's: `calls` of `c` for each try of `p`.
fn called(seen: &Seen, counts: &[Count], p: usize, c: usize, calls: f64) -> Option<Retries> {
    let child = counts.get(c)?;
    let failed = (child.errors / child.served.max(1.0)).min(1.0);
    let again = (calls - 1.0) * counts.get(p)?.served;
    let storm = calls > FACTOR
        && calls * (1.0 - failed) <= ONE
        && failed >= 1.0 - 1.0 / FACTOR
        && again >= ENOUGH;
    storm.then(|| Retries {
        route: seen.history.routes[c].name.clone(),
        service: seen.service(c).to_owned(),
        caller: Some(seen.history.routes[p].name.clone()),
        factor: calls,
        failed,
        grade: Grade::Regression,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::made::{Made, found};

    fn retries(m: &Made) -> Vec<Retries> {
        let keep = |p| match p {
            Pattern::Retries(x) => Some(x),
            _ => None,
        };
        found(m).into_iter().filter_map(keep).collect()
    }

    /// Ten requests a second of `item`, of which `again` are tried twice; `failed` of the tries fail.
    fn gateway(again: u32, failed: u32) -> Made {
        let mut m = Made::new(&[("item", "catalogue")], 120);
        for t in 0..120 {
            m.requests(t, 0, 10, 0.01);
            m.attempts(t, 0, 0, 10 + again, 0.01).errors = failed;
        }
        m
    }

    #[test]
    fn tries_that_follow_failures_are_a_storm_and_hedges_are_not() {
        let all = retries(&gateway(8, 9));
        assert_eq!(all.len(), 1);
        let r = &all[0];
        assert!((r.factor - 1.8).abs() < 1e-9 && (r.failed - 0.5).abs() < 1e-9);
        assert_eq!(
            (r.caller.as_deref(), r.service.as_str()),
            (None, "catalogue")
        );
        assert_eq!(r.grade, Grade::Direct);
        assert_eq!(retries(&gateway(8, 1)), [], "hedged: the tries were good");
        assert_eq!(
            retries(&gateway(1, 1)),
            [],
            "a tenth is what a budget allows"
        );
    }

    #[test]
    fn answers_of_a_cache_do_not_hide_tries() {
        let mut m = gateway(8, 9);
        for t in 0..120 {
            m.requests(t, 0, 30, 0.001).cache_hits = 30;
        }
        assert!((retries(&m)[0].factor - 1.8).abs() < 1e-9);
    }

    /// Ten checkouts a second, each with `calls` charges of which `errors` of a second fail.
    fn service(calls: u32, errors: u32) -> Made {
        let mut m = Made::new(&[("checkout", "front"), ("charge", "pay")], 120);
        for t in 0..120 {
            m.requests(t, 0, 10, 0.05);
            m.attempts(t, 0, 0, 10, 0.05);
            m.requests(t, 1, 10 * calls, 0.01).errors = errors;
            m.attempts(t, 1, 1, 10 * calls, 0.01).errors = errors;
            m.calls(t, 0, 1, 10 * calls, 0.01);
        }
        m
    }

    #[test]
    fn a_service_that_asks_again_is_told_from_one_that_asks_for_more() {
        let all = retries(&service(3, 21));
        assert_eq!(all.len(), 1);
        let r = &all[0];
        assert_eq!(r.caller.as_deref(), Some("checkout"));
        assert!((r.factor - 3.0).abs() < 1e-9 && (r.failed - 0.7).abs() < 1e-9);
        assert!(
            r.to_string()
                .contains("one request of checkout asks charge 3.0 times")
        );
        assert_eq!(retries(&service(3, 0)), [], "three calls that are wanted");
        assert_eq!(
            retries(&service(3, 6)),
            [],
            "most of them come to something"
        );
        assert_eq!(
            retries(&service(1, 9)),
            [],
            "failures that nobody tries again"
        );
    }
}
