//! What a running Plimsoll has seen, from its metrics page: requests of each route, and who calls whom.

use config::Config;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Most rows that are kept.
const MAX_ROWS: usize = 10_000;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Requests by route.
    pub routes: BTreeMap<String, f64>,
    /// Requests of one route caused by another: (parent, child).
    pub calls: BTreeMap<(String, String), f64>,
    /// When it began to count; `None`: it does not say.
    pub since: Option<Timestamp>,
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
                "plimsoll_requests_total" if seen.routes.len() < MAX_ROWS => {
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
mod tests {
    use super::*;

    #[test]
    fn the_metrics_page_is_read() {
        let text = "# HELP x\nplimsoll_requests_total{route=\"a\\\"b\",arm=\"base\",status=\"2xx\"} 3\n\
                    plimsoll_requests_total{route=\"a\\\"b\",arm=\"canary\",status=\"2xx\"} 2\n\
                    plimsoll_requests_total{route=\"none\",arm=\"base\",status=\"4xx\"} 9\n\
                    plimsoll_calls_total{parent=\"p\",route=\"c\"} 7\nprocess_start_time_seconds 1700000000\nbroken\n";
        let seen = Observed::from_metrics(text);
        assert_eq!(seen.routes, [("a\"b".to_owned(), 5.0)].into());
        assert_eq!(seen.calls[&("p".into(), "c".into())], 7.0);
        assert_eq!(seen.since.unwrap().as_second(), 1_700_000_000);
        let unknown = Observed::from_metrics("process_start_time_seconds 0\n");
        assert_eq!(unknown.since, None);
    }

    #[test]
    fn calls_are_summed_by_services() {
        let text = "listen: 127.0.0.1:80\nservices: { a: { instances: [\"127.0.0.1:1\"] }, b: { instances: [\"127.0.0.1:2\"] } }\n\
                    routes:\n  p: { match: GET /p, to: a }\n  q: { match: GET /q, to: a }\n  c: { match: GET /c, to: b }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let call = |p: &str, c: &str, n| ((p.to_owned(), c.to_owned()), n);
        let seen = Observed {
            calls: [
                call("p", "c", 2.0),
                call("q", "c", 3.0),
                call("p", "q", 9.0),
                call("x", "c", 1.0),
            ]
            .into(),
            ..Observed::default()
        };
        let calls = seen.service_calls(&config);
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (
                calls[0].from.as_str(),
                calls[0].to.as_str(),
                calls[0].requests
            ),
            ("a", "b", 5.0)
        );
    }
}
