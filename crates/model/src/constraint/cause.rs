//! Why a resource is loaded at all: causes that make the work avoidable, or put it with somebody else.

use crate::fit::Fit;
use crate::pattern::{Backlog, Hot, Pattern, Pauses, Retries, Stampede};
use crate::watch;
use base::{Class, Discipline, Statement};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Similar calls per request that make an N+1.
const CALLS: f64 = 5.0;
/// Rows read per row returned that make a missing index.
const ROWS: f64 = 100.0;
/// Rows returned per request that make an unbounded result.
const RETURNED: f64 = 1000.0;
/// What one row may cost a process that decodes it and encodes it again, seconds, and its bytes on a wire: more is other work.
const ROW_S: f64 = 20e-6;
const ROW_BYTES: f64 = 4096.0;
/// Seconds of one command of a key-value store that make it slow: the usual ones take microseconds, and all others wait meanwhile.
const SLOW_S: f64 = 0.000_5;
/// What has to be carried to be the cause.
const MOST: f64 = 0.5;

/// Numbers are per request of the named route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Cause {
    /// `child` is a route, or `None` for database calls.
    NPlusOne {
        parent: String,
        child: Option<String>,
        calls: f64,
    },
    MissingIndex {
        route: String,
        rows: f64,
        returned: f64,
    },
    UnboundedResult {
        route: String,
        returned: f64,
    },
    /// Connections of a pool are kept, in an open transaction, while the application does something else: for `share` of the
    /// time for which they are held.
    HeldIdle {
        route: String,
        share: f64,
    },
    /// Of a store that does one command at a time; `seconds` is of one.
    SlowCommand {
        command: String,
        seconds: f64,
    },
    /// The limit of a service that only other services call.
    Dependency {
        service: String,
    },
    RetryStorm(Retries),
    HotKey(Hot),
    Stampede(Stampede),
    Pauses(Pauses),
    Backlog(Backlog),
}

impl Cause {
    pub fn class(&self) -> Class {
        match self {
            Cause::Dependency { .. } => Class::Dependency,
            Cause::RetryStorm(_) => Class::RetryStorm,
            Cause::Pauses(_) => Class::Memory,
            Cause::Backlog(_) => Class::PoolOrLock,
            Cause::HeldIdle { .. } => Class::PoolOrLock,
            _ => Class::DataDesign,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NPlusOne {
                parent,
                child,
                calls,
            } => {
                let what = child.as_deref().unwrap_or("the database");
                write!(
                    f,
                    "N+1: one request of {parent} calls {what} {calls:.0} times"
                )
            }
            Cause::MissingIndex {
                route,
                rows,
                returned,
            } => write!(
                f,
                "missing index: {route} reads {rows:.0} rows to return {returned:.0}"
            ),
            Cause::UnboundedResult { route, returned } => {
                write!(
                    f,
                    "unbounded result: {route} returns {returned:.0} rows per request"
                )
            }
            Cause::HeldIdle { route, share } => write!(
                f,
                "held idle: {:.0} % of the time that its connections are held their transactions have nothing to do, most of it in \
                 {route}, which keeps one while it waits for something else",
                100.0 * share
            ),
            Cause::SlowCommand { command, seconds } => write!(
                f,
                "slow command: {} takes {:.1} ms each time, and others wait meanwhile: ask for less at once (SCAN, a set or a \
                 sorted set of what is wanted)",
                command.to_uppercase(),
                1e3 * seconds
            ),
            Cause::Dependency { service } => {
                write!(f, "{service} is a dependency: only other services call it")
            }
            Cause::RetryStorm(x) => x.fmt(f),
            Cause::HotKey(x) => x.fmt(f),
            Cause::Stampede(x) => x.fmt(f),
            Cause::Pauses(x) => x.fmt(f),
            Cause::Backlog(x) => x.fmt(f),
        }
    }
}

/// The cause behind the load on resource `k`, if one of the known ones carries at least half of it.
pub fn cause(fit: &Fit, k: usize) -> Option<Cause> {
    let share =
        |r: usize| fit.routes[r].rate * fit.demand[r][k].mean / watch::load(fit, k).max(1e-300);
    let most = |test: &dyn Fn(usize) -> bool| -> Option<usize> {
        let mut found: Vec<usize> = (0..fit.routes.len()).filter(|&r| test(r)).collect();
        found.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
        let carried: f64 = found.iter().map(|&r| share(r)).sum();
        (carried >= MOST).then(|| found.first().copied()).flatten()
    };
    let name = |r: usize| fit.routes[r].info.name.clone();
    let r = |i: usize| &fit.routes[i];
    let scans = |i: usize| {
        r(i).db_rows > ROWS * r(i).db_returned.max(0.01 * r(i).db_rows.min(1.0)).max(1e-9)
            && r(i).db_rows > ROWS
            && mostly_database(fit, i, k)
    };
    if let Some(i) = most(&scans) {
        return Some(Cause::MissingIndex {
            route: name(i),
            rows: r(i).db_rows,
            returned: r(i).db_returned,
        });
    }
    if let Some(c) = n_plus_one(fit, k) {
        return Some(c);
    }
    // Of one try: a request that is tried again asks for nothing more.
    let calls = |i: usize| r(i).db_calls / fit.tries(i);
    if let Some(i) =
        most(&|i| calls(i) >= CALLS && (asks_over(fit, k) || mostly_database(fit, i, k)))
    {
        return Some(Cause::NPlusOne {
            parent: name(i),
            child: None,
            calls: calls(i),
        });
    }
    if let Some(i) = most(&|i| unbounded(fit, i, k)) {
        return Some(Cause::UnboundedResult {
            route: name(i),
            returned: r(i).db_returned,
        });
    }
    if let Some(x) = storm(fit, k) {
        return Some(Cause::RetryStorm(x.clone()));
    }
    if let Some(hot) = fit.hot(k).or_else(|| fit.hot_shard(k)) {
        return Some(Cause::HotKey(hot.clone()));
    }
    if let Some(x) = most(&|i| stampede(fit, i).is_some()).and_then(|i| stampede(fit, i)) {
        return Some(Cause::Stampede(x.clone()));
    }
    let backlog = fit.patterns.iter().find_map(|p| match p {
        Pattern::Backlog(x) if x.resource == fit.resources[k].info.name => Some(x.clone()),
        _ => None,
    });
    backlog
        .map(Cause::Backlog)
        .or_else(|| slow_command(fit, k))
        .or_else(|| held_idle(fit, k))
        .or_else(|| dependency(fit, k))
}

/// Times that retries multiply a resource's load from which they are what has to change: without them it carries a quarter
/// more.
const STORM: f64 = 1.25;
/// Callers of callers that are looked at.
const HOPS: u32 = 4;

/// Retries that multiply the load of `k`: those that add most of it.
fn storm(fit: &Fit, k: usize) -> Option<&Retries> {
    let any = |p: &Pattern| matches!(p, Pattern::Retries(_));
    if !fit.patterns.iter().any(any) {
        return None;
    }
    let load = |r: usize| fit.routes[r].rate * fit.demand[r][k].mean;
    let added = |r: usize| load(r) * (1.0 - 1.0 / times(fit, r, 0).0);
    let routes = || (0..fit.routes.len()).filter(|&r| load(r) > 0.0);
    let (whole, more): (f64, f64) = (routes().map(load).sum(), routes().map(added).sum());
    if more <= 0.0 || whole / (whole - more).max(1e-300) < STORM {
        return None;
    }
    let most = routes().max_by(|&a, &b| added(a).total_cmp(&added(b)))?;
    times(fit, most, 0).1
}

/// How many times retries multiply the requests of a route, its callers' included, and the nearest of them.
fn times(fit: &Fit, route: usize, hop: u32) -> (f64, Option<&Retries>) {
    let name = &fit.routes[route].info.name;
    let own = fit.patterns.iter().find_map(|p| match p {
        Pattern::Retries(x) if x.route == *name => Some(x),
        _ => None,
    });
    let calls = |p: usize| {
        let each = fit.calls[p].get(route).copied().unwrap_or(0.0);
        each * fit.routes[p].rate
    };
    let callers = (0..fit.routes.len()).filter(|&p| p != route && calls(p) > 0.0);
    let main = callers
        .max_by(|&a, &b| calls(a).total_cmp(&calls(b)))
        .filter(|&p| calls(p) >= MOST * fit.routes[route].rate && hop < HOPS);
    let (above, theirs) = main.map_or((1.0, None), |p| times(fit, p, hop + 1));
    (own.map_or(1.0, |x| x.factor) * above, own.or(theirs))
}

fn stampede(fit: &Fit, route: usize) -> Option<&Stampede> {
    let name = &fit.routes[route].info.name;
    fit.patterns.iter().find_map(|p| match p {
        Pattern::Stampede(x) if x.route == *name => Some(x),
        _ => None,
    })
}

/// Whether what a route uses of the resource can be for the rows that it gets: in the database, and in whoever passes them on.
pub fn unbounded(fit: &Fit, route: usize, k: usize) -> bool {
    let returned = fit.routes[route].db_returned;
    let used = fit.demand[route][k].mean;
    let info = &fit.resources[k].info;
    let passes_on = match info.class {
        Class::Compute => used <= ROW_S * returned,
        Class::Network => info.unit.starts_with("bytes") && used <= ROW_BYTES * returned,
        _ => false,
    };
    returned >= RETURNED && used > 0.0 && (passes_on || mostly_database(fit, route, k))
}

/// The database that a pool is of, which sees its connections: `pool.APP.BASE`.
pub fn connected_to(fit: &Fit, k: usize) -> Option<usize> {
    let name = fit.resources[k].info.name.strip_prefix("pool.")?;
    let database = format!("db.{}", name.split_once('.')?.1);
    fit.resources.iter().position(|r| r.info.name == database)
}

/// Whether a pool's connections are held for what is asked of their database, and not while they have nothing to do.
pub fn asks_over(fit: &Fit, k: usize) -> bool {
    connected_to(fit, k).is_some() && held_idle(fit, k).is_none()
}

/// Connections that wait in open transactions for their application.
pub fn held_idle(fit: &Fit, k: usize) -> Option<Cause> {
    let (r, of) = (&fit.resources[k], connected_to(fit, k)?);
    let database = &fit.resources[of].info.name;
    let here = || fit.statements.iter().filter(|s| s.database == *database);
    let held = r.utilisation * r.capacity;
    let share = (here().map(|s| s.idle).sum::<f64>() / held.max(1e-9)).min(1.0);
    let most = here().max_by(|a, b| a.idle.total_cmp(&b.idle))?;
    let route = most.routes.first()?.0.clone();
    (share >= MOST).then_some(Cause::HeldIdle { route, share })
}

/// A command that takes most of a store's time because each one is long. Statements of SQL have more than one word.
fn slow_command(fit: &Fit, k: usize) -> Option<Cause> {
    let here = |s: &&Statement| s.database == fit.resources[k].info.name;
    let time = |s: &Statement| s.calls * s.seconds;
    let all: f64 = fit.statements.iter().filter(here).map(time).sum();
    let most = fit
        .statements
        .iter()
        .filter(here)
        .max_by(|a, b| time(a).total_cmp(&time(b)))?;
    let command = !most.text.contains(char::is_whitespace);
    (command && most.seconds >= SLOW_S && time(most) >= MOST * all).then(|| Cause::SlowCommand {
        command: most.text.clone(),
        seconds: most.seconds,
    })
}

/// A parent whose repeated calls of one route carry most of the load.
fn n_plus_one(fit: &Fit, k: usize) -> Option<Cause> {
    let whole = watch::load(fit, k);
    let mut best: Option<(f64, usize, usize)> = None;
    for (p, row) in fit.calls.iter().enumerate() {
        let tries = fit.tries(p);
        for (c, calls) in row.iter().map(|n| n / tries).enumerate() {
            if calls < CALLS || fit.asks_again(p, c) {
                continue;
            }
            let calls = calls * tries;
            let below = fit.total_demand(c)[k];
            let carried = fit.routes[p].rate * calls * below / whole.max(1e-300);
            if carried >= MOST && best.is_none_or(|b| carried > b.0) {
                best = Some((carried, p, c));
            }
        }
    }
    best.map(|(_, p, c)| Cause::NPlusOne {
        parent: fit.routes[p].info.name.clone(),
        child: Some(fit.routes[c].info.name.clone()),
        calls: fit.calls[p][c] / fit.tries(p),
    })
}

/// Whether a route's use of the resource is database work: the resource is the database, or the database's time
/// is at least half of the use.
fn mostly_database(fit: &Fit, route: usize, k: usize) -> bool {
    let database = |i: usize| {
        let r = &fit.resources[i];
        r.is_store() || r.info.name == "db"
    };
    if database(k) {
        return true;
    }
    let time: f64 = (0..fit.resources.len())
        .filter(|&i| database(i))
        .map(|i| fit.demand[route][i].mean)
        .sum();
    time >= MOST * fit.demand[route][k].mean && time > 0.0
}

/// Slots or a quota of a service that nobody calls from outside.
fn dependency(fit: &Fit, k: usize) -> Option<Cause> {
    let info = &fit.resources[k].info;
    if info.class == Class::Dependency {
        let service = info.service.clone().unwrap_or_else(|| info.name.clone());
        return Some(Cause::Dependency { service });
    }
    let service = info.service.clone()?;
    let workers = info.discipline == Discipline::Slots && info.name.starts_with("slots");
    let mine = || {
        fit.routes
            .iter()
            .filter(|r| r.info.service == service && r.rate > 0.0)
    };
    let inner = mine().next().is_some() && mine().all(|r| r.entry_rate < 0.1 * r.rate);
    (workers && inner).then_some(Cause::Dependency { service })
}
