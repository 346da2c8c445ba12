//! Combinations of gates that cannot work.

use super::Whole;
use crate::sections::{Config, Degrade, MOST_MEASURES, Route};
use base::Finding;

impl Whole<'_> {
    /// Each is a series that is kept for weeks, so there is an end to them.
    pub(super) fn business(&mut self, c: &Config) {
        let all: usize = c.routes.iter().map(|r| r.business.len()).sum();
        if all > MOST_MEASURES {
            let what = format!("{all} numbers of the business are too many");
            self.add(
                &["routes"],
                Finding::error("config-too-many", what)
                    .help(format!("keep at most {MOST_MEASURES} in all routes")),
            );
        }
    }

    pub(super) fn gates(&mut self, c: &Config, r: &Route) {
        let path = ["routes", r.name.as_str()];
        let safe = r
            .matcher
            .method
            .as_deref()
            .is_none_or(|m| m == "GET" || m == "HEAD");
        if r.cache.is_some() && !safe {
            self.add(
                &[path[0], path[1], "cache"],
                Finding::error(
                    "config-cache-unsafe",
                    format!("`{}` cannot be cached: {}", r.name, r.matcher),
                )
                .why("only answers to GET and HEAD may be used again"),
            );
        }
        self.hedge(c, r);
        let stale = |d: &&Degrade| d.stale_if_error.is_some() || d.last_good.is_some();
        if r.cache.is_none() && r.degrade.as_ref().filter(stale).is_some() {
            let what = format!("`{}` has no cache to take old answers from", r.name);
            self.add(
                &[path[0], path[1], "degrade"],
                Finding::error("config-degrade", what).help(
                    "add `cache: { ttl: 1s }`, or leave `stale_if_error` and `last_good` out",
                ),
            );
        }
        if let Some(instance) = r.fault.as_ref().and_then(|f| f.instance)
            && let Some(to) = c.services.iter().find(|s| s.name == r.to)
            && !to.instances.contains(&instance)
        {
            let what = format!("{instance} is not an instance of `{}`", r.to);
            self.add(
                &[path[0], path[1], "fault", "instance"],
                Finding::error("config-fault", what).why("nothing would ever fail"),
            );
        }
    }

    fn hedge(&mut self, c: &Config, r: &Route) {
        if r.hedge.is_none() {
            return;
        }
        let path = ["routes", r.name.as_str(), "hedge"];
        let method = r.matcher.method.as_deref();
        let changes = method.is_some_and(|m| !matches!(m, "GET" | "HEAD" | "OPTIONS"));
        if r.writes.unwrap_or(changes) {
            let what = format!("`{}` cannot be hedged: {}", r.name, r.matcher);
            self.add(
                &path,
                Finding::error("config-hedge", what)
                    .why("only GET, HEAD and OPTIONS may be done twice at once without harm, and what changes nothing")
                    .help("leave `hedge` out here; a POST that changes nothing, such as a search, gets `writes: false`"),
            );
            return;
        }
        let Some(to) = c.services.iter().find(|s| s.name == r.to) else {
            return;
        };
        if to.proxy_protocol {
            let what = format!("`{}` is told of clients by connection", to.name);
            self.add(
                &path,
                Finding::error("config-hedge", what)
                    .why("a second attempt would need one more connection per client")
                    .help("leave `hedge` or the service's `proxy_protocol` out"),
            );
        }
        let alone = to.instances.len() + to.sockets.len() < 2;
        if alone && to.names.is_empty() && to.start.is_none() {
            let what = format!("`{}` has one instance: nothing is hedged", to.name);
            self.add(
                &path,
                Finding::warning("config-hedge", what)
                    .why("a second attempt goes to another instance"),
            );
        }
    }

    pub(super) fn bulkheads(&mut self, c: &Config) {
        let routes: Vec<&str> = c.routes.iter().map(|r| r.name.as_str()).collect();
        for s in &c.services {
            for (route, _) in s.bulkhead.iter().flat_map(|b| &b.weights) {
                let path = ["services", s.name.as_str(), "bulkhead", "weights", route];
                match c.routes.iter().find(|r| r.name == *route) {
                    Some(r) if r.to == s.name => {}
                    Some(r) => {
                        let what = format!("`{route}` goes to `{}`, not to `{}`", r.to, s.name);
                        self.add(&path, Finding::error("config-bulkhead", what));
                    }
                    None => self.unknown(&path, "route", route, &routes),
                }
            }
        }
    }
}
