//! What a running Plimsoll has seen: requests of each route, and who calls whom. From what it keeps of the past, and from its
//! metrics page.

use crate::lint::rough;
use config::Config;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most rows that are kept.
const MAX_ROWS: usize = 10_000;
/// How far back it is looked: as far as counts are kept.
pub const SPAN: SignedDuration = SignedDuration::from_hours(24 * 35);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Requests by route, with the jobs and events that were delivered there.
    pub routes: BTreeMap<String, f64>,
    /// Requests of one route caused by another: (parent, child).
    pub calls: BTreeMap<(String, String), f64>,
    /// When a route had its last request, as far as that is known.
    pub last: BTreeMap<String, Timestamp>,
    /// Where the time begins that was looked at; `None`: it does not say.
    pub since: Option<Timestamp>,
    /// How much of that time Plimsoll ran; `None`: all of it.
    pub looked: Option<SignedDuration>,
}

impl Observed {
    /// Reads the Prometheus text; what it does not know it passes over.
    pub fn from_metrics(text: &str) -> Observed {
        let mut seen = Observed::default();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let Some((head, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            let (name, labels) = head.split_once('{').unwrap_or((head, ""));
            let label = |key: &str| label(labels, key).filter(|v| v != "none");
            match name {
                "plimsoll_requests_total" | "plimsoll_behind_total"
                    if seen.routes.len() < MAX_ROWS =>
                {
                    if let Some(route) = label("route") {
                        *seen.routes.entry(route).or_default() += value;
                    }
                }
                "plimsoll_calls_total" if seen.calls.len() < MAX_ROWS => {
                    if let (Some(parent), Some(child)) = (label("parent"), label("route")) {
                        *seen.calls.entry((parent, child)).or_default() += value;
                    }
                }
                // 0: it does not know.
                "process_start_time_seconds" if value > 0.0 => {
                    seen.since = Timestamp::from_second(value as i64).ok();
                }
                _ => {}
            }
        }
        seen
    }

    /// With what the present process counted by itself: what is kept leaves out the last seconds, and the process what came before
    /// it. `since` of both must be known; a process that began before all that is kept says nothing of its time.
    pub fn with(mut self, process: Observed, now: Timestamp) -> Observed {
        let begun = process.since.filter(|p| now.duration_since(*p) <= SPAN);
        let Some(begun) = begun else {
            return self;
        };
        for (route, n) in process.routes {
            let mine = self.routes.entry(route).or_default();
            *mine = mine.max(n);
        }
        for (call, n) in process.calls {
            let mine = self.calls.entry(call).or_default();
            *mine = mine.max(n);
        }
        let runs = now.duration_since(begun);
        self.looked = Some(self.looked.map_or(runs, |l| l.max(runs)));
        self.since = Some(self.since.map_or(begun, |s| s.min(begun)));
        self
    }

    /// For how long it was looked.
    pub fn looked(&self, now: Timestamp) -> Option<SignedDuration> {
        self.looked.or(Some(now.duration_since(self.since?)))
    }

    /// For how long it is sure that a service had no request: time in which Plimsoll did not run is taken off. `None`: it is not known.
    pub fn idle(&self, config: &Config, service: &str, now: Timestamp) -> Option<SignedDuration> {
        let looked = self.looked(now)?;
        if self.requests(config, service) == 0.0 {
            return Some(looked);
        }
        let blind = (now.duration_since(self.since?) - looked).max(SignedDuration::ZERO);
        let routes = config.routes.iter().filter(|r| r.to == service);
        let routes = routes.filter(|r| self.routes.get(&r.name).is_some_and(|n| *n > 0.0));
        // Of one whose last request is not known, it may have been now.
        let idle = routes.map(|r| match self.last.get(&r.name) {
            Some(last) => now.duration_since(*last) - blind,
            None => SignedDuration::ZERO,
        });
        idle.min().map(|d| d.max(SignedDuration::ZERO))
    }

    /// Which time was looked at, for people.
    pub fn span(&self, now: Timestamp) -> String {
        let Some((since, looked)) = self.since.zip(self.looked(now)) else {
            return "nothing was counted yet".into();
        };
        let (whole, kept) = (now.duration_since(since), rough(SPAN));
        format!(
            "since {}, of these {} Plimsoll ran for {} (counts are kept for {kept})",
            since.strftime("%Y-%m-%d %H:%M UTC"),
            rough(whole),
            rough(looked.min(whole)),
        )
    }

    pub fn to_json(&self, now: Timestamp) -> Value {
        let route = |(name, n): (&String, &f64)| {
            let last = self.last.get(name).map(Timestamp::to_string);
            json!({ "route": name, "requests": n, "last": last })
        };
        let call = |((parent, child), n): (&(String, String), &f64)| json!({ "parent": parent, "route": child, "requests": n });
        json!({
            "span_s": SPAN.as_secs(),
            "since": self.since.map(|s| s.to_string()),
            "looked_s": self.looked(now).map(|l| l.as_secs()),
            "routes": self.routes.iter().map(route).collect::<Vec<_>>(),
            "calls": self.calls.iter().map(call).collect::<Vec<_>>(),
        })
    }

    /// What `to_json` wrote.
    pub fn of_json(told: &Value) -> Observed {
        let list = |key: &str| told[key].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let time = |v: &Value| v.as_str()?.parse::<Timestamp>().ok();
        let mut seen = Observed {
            since: time(&told["since"]),
            looked: told["looked_s"].as_i64().map(SignedDuration::from_secs),
            ..Observed::default()
        };
        for r in list("routes").iter().take(MAX_ROWS) {
            let (Some(name), Some(n)) = (text(&r["route"]), r["requests"].as_f64()) else {
                continue;
            };
            seen.last
                .extend(time(&r["last"]).map(|t| (name.clone(), t)));
            seen.routes.insert(name, n);
        }
        for c in list("calls").iter().take(MAX_ROWS) {
            let names = text(&c["parent"]).zip(text(&c["route"]));
            seen.calls.extend(names.zip(c["requests"].as_f64()));
        }
        seen
    }

    /// Requests of all routes to a service.
    pub fn requests(&self, config: &Config, service: &str) -> f64 {
        let routes = config.routes.iter().filter(|r| r.to == service);
        routes.filter_map(|r| self.routes.get(&r.name)).sum()
    }

    /// Which service calls which, how often, and a route that does: (from, to, requests, parent, child).
    pub fn service_calls(&self, config: &Config) -> Vec<Call> {
        let to = |route: &str| config.route(route).map(|r| r.to.clone());
        let mut calls: BTreeMap<(String, String), Call> = BTreeMap::new();
        for ((parent, child), n) in &self.calls {
            let (Some(from), Some(to)) = (to(parent), to(child)) else {
                continue;
            };
            if from == to {
                continue;
            }
            let call = calls.entry((from.clone(), to.clone())).or_insert(Call {
                from,
                to,
                requests: 0.0,
                routes: (parent.clone(), child.clone()),
            });
            call.requests += n;
        }
        calls.into_values().collect()
    }
}

/// Requests from one service to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub from: String,
    pub to: String,
    pub requests: f64,
    /// One pair of routes of them: the caller's and the called one.
    pub routes: (String, String),
}

/// `key="value"`, with the escapes of the text format.
fn label(labels: &str, key: &str) -> Option<String> {
    let start = labels
        .match_indices(key)
        .find(|(i, _)| {
            let before = labels[..*i].chars().next_back();
            matches!(before, None | Some(',')) && labels[i + key.len()..].starts_with("=\"")
        })?
        .0;
    let mut value = String::new();
    let mut chars = labels[start + key.len() + 2..].chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
