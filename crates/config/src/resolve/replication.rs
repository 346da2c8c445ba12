//! Consistency: a level that what is configured cannot give is refused.

use super::Whole;
use crate::sections::{Config, Consistency, Database, MOST_DATABASES, Replication, Route, Service};
use base::Finding;
use std::time::Duration;

/// Ages in caches are whole seconds.
const SECOND: Duration = Duration::from_secs(1);

fn of<'a>(c: &'a Config, service: &Service) -> Option<&'a Replication> {
    let name = service.replication.as_deref()?;
    c.replications.iter().find(|r| r.name == name)
}

impl Whole<'_> {
    pub(super) fn replications(&mut self, c: &Config) {
        let known: Vec<&str> = c.replications.iter().map(|r| r.name.as_str()).collect();
        for r in &c.replications {
            let path = ["replication", r.name.as_str(), "replicas"];
            let replicas = r.databases.iter().filter(|d| d.name != Database::PRIMARY);
            let count = replicas.count();
            if count == 0 || count >= MOST_DATABASES {
                let what = format!("`{}` has {count} replicas; 1 to 15 can be", r.name);
                self.add(&path, Finding::error("config-replication", what));
            }
        }
        for s in &c.services {
            let path = ["services", s.name.as_str()];
            if let Some(name) = s.replication.as_deref().filter(|n| !known.contains(n)) {
                let path = [path[0], path[1], "replication"];
                self.unknown(&path, "replication", name, &known);
            }
            let databases: Vec<&str> = (of(c, s).into_iter())
                .flat_map(|r| &r.databases)
                .map(|d| d.name.as_str())
                .collect();
            for (_, database) in &s.reads_from {
                let path = [path[0], path[1], "instances"];
                if s.replication.is_none() {
                    let what = format!("an instance of `{}` reads from `{database}`", s.name);
                    let finding = Finding::error("config-replication", what);
                    self.add(
                        &path,
                        finding.why("the service names no `replication` that this could be one of"),
                    );
                } else if !databases.is_empty() && !databases.contains(&database.as_str()) {
                    self.unknown(&path, "database of its `replication`", database, &databases);
                }
            }
        }
    }

    pub(super) fn consistency(&mut self, c: &Config, r: &Route) {
        let Some(to) = c.services.iter().find(|s| s.name == r.to) else {
            return;
        };
        let path = ["routes", r.name.as_str(), "consistency"];
        self.reads(c, r, to);
        let Some(replication) = to.replication.as_deref() else {
            self.without_replication(r, to);
            return;
        };
        let level = r.consistency.unwrap_or(Consistency::Strong);
        if matches!(level, Consistency::Strong | Consistency::Session) && r.cache.is_some() {
            let what = format!("`{}` has a cache, and may show nothing that is old", r.name);
            let why = "a stored answer is the same for all, and may be older than what its session has written; \
                       without `consistency` a route is `strong`";
            let help = "leave `cache` out, or say `consistency: bounded 2s` or `eventual`";
            let finding = Finding::error("config-consistency", what).why(why);
            self.add(&path, finding.help(help));
        }
        self.bound(r, 2 * SECOND);
        if r.asynchronous.is_some() && level == Consistency::Session {
            let what = "`consistency: session` and `async` exclude each other";
            let why = "when a job has written, its client is gone and cannot be told how far it must read";
            self.add(&path, Finding::error("config-consistency", what).why(why));
        }
        let other = |name: &&String| {
            let service = c.services.iter().find(|s| s.name == **name);
            service.is_some_and(|s| s.replication.as_deref() != Some(replication))
        };
        if let Some(other) = r.split.iter().map(|(name, _)| name).find(other) {
            let what = format!("`{other}` does not read from the replication of `{}`", r.to);
            let why = "its answers could not be held to any consistency";
            self.add(&path, Finding::error("config-consistency", what).why(why));
        }
        let services =
            std::iter::once(to.name.as_str()).chain(r.reads.iter().map(|r| r.to.as_str()));
        for name in services {
            self.has_primary(c, r, name, level);
        }
    }

    /// Where instances are bound to databases, one must be bound to the primary, for what no replica may answer.
    fn has_primary(&mut self, c: &Config, r: &Route, service: &str, level: Consistency) {
        let Some(s) = c.services.iter().find(|s| s.name == service) else {
            return;
        };
        let all = s.instances.len() + s.names.len() + s.sockets.len();
        let away = (s.reads_from.iter()).filter(|(_, from)| from != Database::PRIMARY);
        if s.reads_from.is_empty() || level == Consistency::Eventual || away.count() < all {
            return;
        }
        let what = format!("every instance of `{service}` reads from a replica");
        let why = "what no replica may answer goes to an instance on the primary: without one it would be refused";
        let finding = Finding::error("config-consistency", what).why(why);
        let path = ["routes", r.name.as_str(), "consistency"];
        self.add(
            &path,
            finding.help("add an instance without `reads_from`, or say `eventual`"),
        );
    }

    fn without_replication(&mut self, r: &Route, to: &Service) {
        let path = ["routes", r.name.as_str(), "consistency"];
        let help = "add `replication: NAME` to the service, and the databases under `replication` at top level";
        match r.consistency {
            Some(Consistency::Bounded(_) | Consistency::Eventual) if r.cache.is_some() => {
                self.bound(r, SECOND);
            }
            Some(_) => {
                let what = format!("nothing says where `{}` reads from", to.name);
                let why = "a promise that nobody can keep is none";
                self.add(
                    &path,
                    Finding::error("config-consistency", what)
                        .why(why)
                        .help(help),
                );
            }
            None => {}
        }
        if r.writes.is_some() && r.hedge.is_none() {
            let what = format!(
                "`writes` means nothing: `{}` has no `replication`, and nothing is hedged",
                to.name
            );
            let path = [path[0], path[1], "writes"];
            self.add(&path, Finding::error("config-consistency", what).help(help));
        }
    }

    /// Of what caches may say within `bounded`.
    fn bound(&mut self, r: &Route, least: Duration) {
        let (Some(Consistency::Bounded(bound)), Some(_)) = (r.consistency, &r.cache) else {
            return;
        };
        let path = ["routes", r.name.as_str(), "consistency"];
        if bound < least {
            let what = format!(
                "with a cache the bound must be at least {} s",
                least.as_secs()
            );
            let why = "ages in caches are whole seconds, and a replica's age counts as well";
            self.add(&path, Finding::error("config-consistency", what).why(why));
        }
        let old =
            |d: &crate::sections::Degrade| d.stale_if_error.is_some() || d.last_good.is_some();
        if r.degrade.as_ref().is_some_and(old) {
            let what = "`bounded` excludes `stale_if_error` and `last_good`";
            let why = "they answer with what is older";
            self.add(&path, Finding::error("config-consistency", what).why(why));
        }
    }

    fn reads(&mut self, c: &Config, r: &Route, to: &Service) {
        let Some(reads) = r.reads.as_ref().filter(|r| !r.to.is_empty()) else {
            return;
        };
        let path = ["routes", r.name.as_str(), "reads"];
        let known: Vec<&str> = c.services.iter().map(|s| s.name.as_str()).collect();
        let Some(service) = c.services.iter().find(|s| s.name == reads.to) else {
            self.unknown(&path, "service", &reads.to, &known);
            return;
        };
        if service.replication != to.replication {
            let what = format!(
                "`{}` and `{}` do not read from the same `replication`",
                reads.to, r.to
            );
            let why = "a session could not read what it has written";
            self.add(&path, Finding::error("config-consistency", what).why(why));
        }
        if !r.split.is_empty() {
            let what = "`reads` and `split` exclude each other";
            let help = "give one of them to a route of its own";
            self.add(&path, Finding::error("config-reads", what).help(help));
        }
        if r.writes == Some(true) {
            let what = "a route whose requests all write has no reads";
            self.add(&path, Finding::error("config-reads", what));
        }
    }
}
