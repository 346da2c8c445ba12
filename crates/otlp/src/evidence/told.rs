//! What spans tell of the way a route works, for people and for advice.

use super::Evidence;
use super::fade::KINDS;
use super::fill::NAMED;
use base::traced::{Chain, Part, Repeat, Traced};
use base::{Names, RouteIx};
use std::collections::BTreeMap;

/// Fewer attempts do not tell how a route works.
const ENOUGH: f64 = 10.0;
/// Calls and parts of the path that are told of a route.
const TOLD: usize = 8;
/// Fewer calls of one kind per request are not worth a word.
const CALLS: f64 = 1.5;

impl Evidence {
    /// One for each route with enough attempts, both arms together.
    pub fn traced(&self, names: &Names) -> Vec<Traced> {
        let mut by: BTreeMap<RouteIx, Vec<&super::Fading>> = BTreeMap::new();
        for (key, r) in &self.routes {
            by.entry(key.0).or_default().push(r);
        }
        by.into_iter()
            .filter_map(|(route, arms)| one(names.routes.name(route)?.to_string(), &arms))
            .collect()
    }
}

/// What is to be said of how well spans are seen.
#[derive(Debug, PartialEq)]
pub struct Note {
    /// A route; empty: all of it.
    pub about: String,
    pub text: String,
    /// Nothing is seen.
    pub blind: bool,
}

/// Routes of which a note is made.
const NOTED: usize = 20;

impl Evidence {
    pub fn notes(&self, names: &Names) -> Vec<Note> {
        let say = |about: String, text: String| Note {
            about,
            text,
            blind: false,
        };
        let c = &self.counts;
        if c.spans == 0 {
            let text = "no span has come yet: set OTEL_EXPORTER_OTLP_ENDPOINT in the services to this address";
            return vec![Note {
                blind: true,
                ..say(String::new(), text.into())
            }];
        }
        let mut all = Vec::new();
        for t in self.traced(names).into_iter().take(NOTED) {
            let text = format!(
                "spans of {:.1} % of its attempts, scaled up to all that the gateway counted",
                100.0 * t.share
            );
            all.push(say(t.route, text));
        }
        let causes = [
            (
                c.orphans,
                "belong to no request that came through here, or their parents are missing",
            ),
            (
                c.late,
                "came when their trace was taken to be whole: set OTEL_BSP_SCHEDULE_DELAY to 2000 in the services",
            ),
            (
                c.rejected,
                "were rejected: ids of a wrong length, or too many in one request",
            ),
            (c.repeated, "were sent twice"),
        ];
        for (n, why) in causes.into_iter().filter(|c| c.0 > 0) {
            all.push(say(
                String::new(),
                format!("{n} of {} spans {why}", c.spans),
            ));
        }
        let others = [
            (
                c.jumps,
                "attempts are left out because a clock jumped in them: see to NTP on the services' hosts",
            ),
            (
                c.cut,
                "traces with more than 5000 spans are left out: sample fewer spans inside a request",
            ),
            (
                c.routes_over,
                "attempts are of routes beyond the 1024 that are kept",
            ),
        ];
        for (n, why) in others.into_iter().filter(|c| c.0 > 0) {
            all.push(say(String::new(), format!("{n} {why}")));
        }
        if c.uses_over > 0 {
            let text = format!(
                "{} uses are left out, of resources beyond {KINDS} of a route, or beyond {NAMED} that only spans tell: a \
                 name with a number in it, such as lock.order-17, is another resource for each number",
                c.uses_over
            );
            all.push(say(String::new(), text));
        }
        all
    }
}

fn one(route: String, arms: &[&super::Fading]) -> Option<Traced> {
    let sum = |f: fn(&super::Fading) -> f64| arms.iter().map(|r| f(r)).sum::<f64>();
    let seen = sum(|r| r.seen);
    if seen < ENOUGH {
        return None;
    }
    let length = sum(|r| r.length);
    let per = |v: f64| v / seen;
    let mut path: BTreeMap<&str, f64> = BTreeMap::new();
    let mut calls: BTreeMap<(bool, &str), (f64, f64, f64)> = BTreeMap::new();
    for r in arms {
        for (whose, ns) in &r.path {
            *path.entry(whose).or_default() += ns;
        }
        for ((database, what), c) in &r.calls {
            let all = calls.entry((*database, what)).or_default();
            *all = (all.0 + c.calls, all.1 + c.serial, all.2 + c.length);
        }
    }
    let mut critical: Vec<Part> = path
        .into_iter()
        .map(|(whose, ns)| Part {
            whose: whose.to_owned(),
            share: ns / length.max(1.0),
        })
        .collect();
    critical.sort_by(|a, b| b.share.total_cmp(&a.share));
    critical.truncate(TOLD);
    let mut repeats: Vec<Repeat> = calls
        .into_iter()
        .filter(|(_, (n, ..))| per(*n) >= CALLS)
        .map(|((database, what), (n, serial, ns))| Repeat {
            what: what.to_owned(),
            database,
            calls: per(n),
            serial: serial / n.max(1e-9),
            seconds: per(ns) / 1e9,
        })
        .collect();
    repeats.sort_by(|a, b| b.calls.total_cmp(&a.calls));
    repeats.truncate(TOLD);
    let chain = Chain {
        calls: per(sum(|r| r.chain.calls)),
        seconds: per(sum(|r| r.chain.length)) / 1e9,
        longest: per(sum(|r| r.chain.longest)) / 1e9,
    };
    Some(Traced {
        route,
        attempts: seen,
        share: seen / sum(|r| r.counted).max(seen),
        seconds: per(length) / 1e9,
        critical,
        repeats,
        chain: Some(chain).filter(|c| c.calls >= CALLS),
    })
}
