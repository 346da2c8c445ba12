//! Sessions: names that must exist, and gates that would give one client what is another's.

use super::Whole;
use crate::sections::{Config, Route, SameSite, Secure};
use base::Finding;
use std::collections::HashMap;

impl Whole<'_> {
    pub(super) fn session(&mut self, c: &Config, r: &Route) {
        let Some(name) = r.session.as_deref() else {
            return;
        };
        let path = ["routes", r.name.as_str(), "session"];
        let known: Vec<&str> = c.sessions.iter().map(|s| s.name.as_str()).collect();
        if !known.contains(&name) {
            self.unknown(&path, "session of `sessions`", name, &known);
        }
        let excluded = [
            (
                r.cache.is_some(),
                "cache",
                "a stored answer would be the same for all sessions",
            ),
            (
                r.asynchronous.is_some(),
                "async",
                "when a job is delivered, its client is gone, and so may be its session",
            ),
            (
                r.mirror.is_some(),
                "mirror",
                "a copy could change the session",
            ),
        ];
        for (there, other, why) in excluded {
            if there {
                let what = format!("`session` and `{other}` exclude each other");
                let finding = Finding::error("config-session", what).why(why);
                self.add(
                    &path,
                    finding.help("give one of them to a route of its own"),
                );
            }
        }
    }

    pub(super) fn cookies(&mut self, c: &Config) {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for s in &c.sessions {
            let path = ["sessions", s.name.as_str()];
            if let Some(other) = owners.insert(&s.cookie, &s.name) {
                let what = format!(
                    "`{}` and `{other}` have the same cookie `{}`",
                    s.name, s.cookie
                );
                let finding = Finding::error("config-session", what);
                self.add(&path, finding.help("name one of them with `cookie`"));
            }
            if s.shared && c.engines.shared.is_none() {
                let what = "`shared` needs an engine that all nodes have";
                let finding = Finding::error("config-session", what);
                self.add(&path, finding.help("name a Redis: `engines.shared`"));
            }
            if s.shared && s.durable {
                let what = "`shared` and `durable` exclude each other";
                let finding = Finding::error("config-session", what)
                    .why("a Redis may lose what it has acknowledged");
                self.add(
                    &path,
                    finding
                        .help("for both, name a NATS (`engines.durable`) and leave `shared` out"),
                );
            }
            if s.absolute < s.idle {
                let what = "`absolute` is shorter than `idle`, which then means nothing";
                self.add(&path, Finding::warning("config-session", what));
            }
            if s.same_site == SameSite::None && s.secure != Secure::Always && c.tls.is_none() {
                let what = "browsers take `same_site: none` over TLS only";
                let finding = Finding::error("config-session", what);
                self.add(
                    &path,
                    finding.help("add `tls`, or `secure: always` where somebody in front has it"),
                );
            }
        }
    }
}
