//! Streams: names of projections that must exist, and gates that would answer before one is waited for.

use super::Whole;
use super::request::Made;
use crate::sections::{Config, Route, Target};
use base::Finding;

impl Whole<'_> {
    pub(super) fn awaited(&mut self, c: &Config, r: &Route) {
        let Some(awaited) = &r.projection else {
            return;
        };
        let path = ["routes", r.name.as_str(), "projection"];
        let known: Vec<&str> = c.projections.iter().map(|p| p.name.as_str()).collect();
        if !awaited.name.is_empty() && !known.contains(&awaited.name.as_str()) {
            self.unknown(&path, "projection of `projections`", &awaited.name, &known);
        }
        let excluded = [
            (
                r.cache.is_some(),
                "cache",
                "a stored answer may be older than what the request must see",
            ),
            (
                r.asynchronous.is_some(),
                "async",
                "a job does not wait for what it has not seen",
            ),
        ];
        for (there, other, why) in excluded {
            if there {
                let what = format!("`projection` and `{other}` exclude each other");
                let finding = Finding::error("config-projection", what).why(why);
                let help = "give one of them to a route of its own";
                self.add(&path, finding.help(help));
            }
        }
    }

    pub(super) fn streams(&mut self, c: &Config) {
        let takes: Vec<&str> = (c.routes.iter())
            .filter(|r| r.asynchronous.is_some())
            .map(|r| r.name.as_str())
            .collect();
        for o in &c.outboxes {
            let path = ["outbox", o.name.as_str(), "to"];
            match &o.to {
                Target::Job(route) if !takes.contains(&route.as_str()) => {
                    self.unknown(&path, "route with `async`", route, &takes);
                }
                Target::Job(route) => {
                    let made = Made {
                        method: "POST",
                        path: &o.path,
                        headers: None,
                    };
                    self.taken_by(c, ("outbox", &o.name), route, &made);
                }
                Target::Stream(_) => {}
            }
        }
        for p in &c.projections {
            let path = ["projections", p.name.as_str()];
            if p.stream.is_some() && p.prefix.is_some() {
                let what = "`stream` and `prefix` exclude each other";
                self.add(&path, Finding::error("config-projection", what));
            }
        }
    }
}
