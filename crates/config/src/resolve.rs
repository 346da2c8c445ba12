//! What no single section can see: names that must exist, combinations that cannot work.

mod cron;
mod divert;
mod engines;
mod gates;
mod grpc;
mod identity;
mod listen;
mod replication;
mod request;
mod session;
mod streams;
mod topics;

use crate::check::MAX_FINDINGS;
use crate::document::{Node, Value};
use crate::nearest::nearest;
use crate::sections::{Config, PathTemplate, Route, Segment, Speaks};
use crate::template::by_priority;
use base::Finding;
use std::collections::HashMap;

/// Checks the whole and puts routes into the order in which they are tried.
pub fn resolve(config: &mut Config, root: &Node, findings: &mut Vec<Finding>) {
    let mut whole = Whole { root, findings };
    whole.addresses(config);
    whole.sockets(config);
    whole.tls(config);
    whole.services(config);
    whole.routes(config);
    unshare(config);
    whole.bulkheads(config);
    whole.business(config);
    whole.shared_caches(config);
    whole.identity(config);
    whole.cookies(config);
    whole.topics(config);
    whole.streams(config);
    whole.engines(config);
    whole.crons(config);
    whole.replications(config);
    whole.resources(config);
    whole.loads(config);
    config.services.sort_by(|a, b| a.name.cmp(&b.name));
    config.routes.sort_by(by_priority);
}

/// Without an engine each node counts alone.
fn unshare(config: &mut Config) {
    let is_shared = config.engines.shared.is_some();
    for rate in config.routes.iter_mut().filter_map(|r| r.rate.as_mut()) {
        rate.shared &= is_shared;
    }
}

struct Whole<'a> {
    root: &'a Node,
    findings: &'a mut Vec<Finding>,
}

impl Whole<'_> {
    fn shared_caches(&mut self, c: &Config) {
        let shared = |r: &&Route| r.cache.as_ref().is_some_and(|c| c.shared.is_some());
        for r in c.routes.iter().filter(shared) {
            if c.engines.shared.is_none() {
                let what = format!("the cache of `{}` is shared with nobody", r.name);
                let help = "say with `engines.shared` which Redis the nodes have together, or leave `shared` out";
                let finding = Finding::error("config-cache", what).help(help);
                self.add(&["routes", &r.name, "cache", "shared"], finding);
            }
        }
    }

    /// Adds a finding at the deepest part of `path` that exists.
    fn add(&mut self, path: &[&str], finding: Finding) {
        let mut node = self.root;
        for key in path {
            match node.get(key) {
                Some(n) => node = n,
                None => break,
            }
        }
        self.findings.push(Finding {
            spot: Some(node.at.spot()),
            ..finding
        });
    }

    fn unknown(&mut self, path: &[&str], kind: &str, name: &str, known: &[&str]) {
        // Past what is shown there is no point in looking for slips among a thousand names.
        let help = if self.findings.len() > MAX_FINDINGS {
            String::new()
        } else if let Some(k) = nearest(name, known.iter().copied()) {
            format!("did you mean `{k}`?")
        } else if known.is_empty() {
            format!("there is no {kind} in this file")
        } else {
            let few = known
                .iter()
                .take(20)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            format!(
                "there are {few}{}",
                if known.len() > 20 { " …" } else { "" }
            )
        };
        self.add(
            path,
            Finding::error(
                "config-unknown-name",
                format!("no {kind} is named `{name}`"),
            )
            .help(help),
        );
    }

    fn services(&mut self, c: &Config) {
        let names: Vec<&str> = c.services.iter().map(|s| s.name.as_str()).collect();
        let all: Vec<&str> = names
            .iter()
            .copied()
            .chain(c.resources.iter().map(|r| r.name.as_str()))
            .collect();
        for s in &c.services {
            let path = ["services", s.name.as_str()];
            let given = self
                .root
                .get("services")
                .and_then(|n| n.get(&s.name))
                .and_then(|n| n.get("instances"));
            if s.instances.is_empty()
                && given.is_some_and(|n| matches!(&n.value, Value::List(l) if l.is_empty()))
            {
                self.add(
                    &[path[0], path[1], "instances"],
                    Finding::error(
                        "config-no-instance",
                        format!("`{}` has no instance", s.name),
                    )
                    .help("list at least one address"),
                );
            }
            for d in s.depends_on.iter().filter(|d| !all.contains(&d.as_str())) {
                self.unknown(
                    &[path[0], path[1], "depends_on"],
                    "service or resource",
                    d,
                    &all,
                );
            }
            if let Some(start) = &s.start
                && (start.max_instances as usize) < s.instances.len()
            {
                let what = format!(
                    "`max_instances` is below the {} instances listed",
                    s.instances.len()
                );
                self.add(
                    &[path[0], path[1], "start"],
                    Finding::error("config-start", what),
                );
            }
            if let Some(start) = &s.start
                && !start.command.is_empty()
                && !start.command.iter().any(|a| a.contains("{port}"))
            {
                self.add(
                    &[path[0], path[1], "start"],
                    Finding::error("config-start", "the command holds no `{port}`")
                        .why("every instance must listen on a port of its own"),
                );
            }
            if s.proxy_protocol && s.protocol == Speaks::Http2 {
                self.add(
                    &[path[0], path[1], "proxy_protocol"],
                    Finding::error(
                        "config-value",
                        "`proxy_protocol` and `protocol: h2` exclude each other",
                    )
                    .why("an HTTP/2 connection carries requests of many clients, and a PROXY header names one")
                    .help("leave one of them out; the client's address is in X-Forwarded-For, too"),
                );
            }
            if let (Some((_, zone)), None) = (s.zones.first(), &c.zone) {
                let what = format!(
                    "`{}` has instances in zones, and the gateway has none",
                    s.name
                );
                self.add(
                    &[path[0], path[1], "instances"],
                    Finding::warning("config-zone", what)
                        .why("no zone can be preferred")
                        .help(format!(
                            "add `zone: {zone}` at top level, for where this gateway runs"
                        )),
                );
            }
            self.grpc_health(s);
            if s.health
                .path
                .as_deref()
                .is_some_and(|p| !p.starts_with('/'))
            {
                self.add(
                    &[path[0], path[1], "health", "path"],
                    Finding::error("config-value", "a health path begins with `/`"),
                );
            }
        }
    }

    fn routes(&mut self, c: &mut Config) {
        let names: Vec<String> = c.services.iter().map(|s| s.name.clone()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        if c.routes.is_empty() && !c.services.is_empty() {
            if let [only] = known.as_slice() {
                let mut all = Route::named(only);
                all.to = (*only).to_owned();
                all.matcher.path = PathTemplate {
                    segments: vec![Segment::Rest("path".into())],
                };
                c.routes.push(all);
            } else if self
                .root
                .get("routes")
                .is_none_or(|n| n.entries().is_empty())
            {
                self.add(
                    &["services"],
                    Finding::error("config-no-route", "there are several services and no route")
                        .help("add `routes: { all: { match: '/{path...}', to: SERVICE } }`"),
                );
            }
        }
        let mut seen: HashMap<String, String> = HashMap::new();
        for r in &c.routes {
            let path = ["routes", r.name.as_str()];
            if !r.to.is_empty() && !known.contains(&r.to.as_str()) {
                self.unknown(&[path[0], path[1], "to"], "service", &r.to, &known);
            }
            if let Some(other) = seen.insert(same_requests(r), r.name.clone()) {
                self.add(
                    &[path[0], path[1], "match"],
                    Finding::error(
                        "config-same-match",
                        format!("`{other}` and `{}` match the same requests", r.name),
                    )
                    .why("one of them would never be used"),
                );
            }
            self.split(r, &known);
            self.mirror(r, &known);
            self.stateful(r);
            self.grpc_web(c, r);
            self.gates(c, r);
            self.session(c, r);
            self.awaited(c, r);
            self.publish(c, r);
            self.consistency(c, r);
        }
    }

    fn loads(&mut self, c: &Config) {
        for l in &c.loads {
            let path = ["loads", l.name.as_str()];
            if l.requests.is_empty() {
                let what = format!("the mix `{}` has no request", l.name);
                self.add(
                    &path,
                    Finding::error("config-no-request", what).help("write `[{ request: GET / }]`"),
                );
            } else if l.requests.iter().all(|r| r.weight == 0.0) {
                let what = format!("every request of the mix `{}` has weight 0", l.name);
                self.add(
                    &path,
                    Finding::error("config-value", what).why("none of them would ever be sent"),
                );
            }
        }
    }

    fn resources(&mut self, c: &Config) {
        let services: Vec<&str> = c.services.iter().map(|s| s.name.as_str()).collect();
        let resources: Vec<&str> = c.resources.iter().map(|r| r.name.as_str()).collect();
        for r in &c.resources {
            let path = ["resources", r.name.as_str()];
            if let Some(s) = r.service.as_deref().filter(|s| !services.contains(s)) {
                self.unknown(&[path[0], path[1], "service"], "service", s, &services);
            }
            if let Some(w) = r.within.as_deref().filter(|w| !resources.contains(w)) {
                self.unknown(&[path[0], path[1], "within"], "resource", w, &resources);
            }
            if r.capacity == Some(0.0) {
                self.add(
                    &[path[0], path[1], "capacity"],
                    Finding::error("config-value", "a capacity of 0 can carry nothing"),
                );
            }
        }
    }
}

/// Equal for two routes that match exactly the same requests: names in braces do not matter.
fn same_requests(r: &Route) -> String {
    let segments: Vec<&str> = r
        .matcher
        .path
        .segments
        .iter()
        .filter(|s| !matches!(s, Segment::Literal(l) if l.is_empty()))
        .map(|s| match s {
            Segment::Literal(l) => l.as_str(),
            Segment::One(_) => "{}",
            Segment::Rest(_) => "{...}",
        })
        .collect();
    let mut headers = r.matcher.headers.clone();
    headers.sort();
    format!(
        "{:?} {:?} {segments:?} {headers:?}",
        r.matcher.method, r.matcher.host
    )
}
