//! Topics: names that must exist, and what cannot work without something else.

use super::Whole;
use crate::sections::{Config, Publish, Receiver, Route, Segment};
use base::Finding;

/// Most topics, and most subscriptions of one.
const TOPICS: usize = 100;
const SUBSCRIPTIONS: usize = 64;

impl Whole<'_> {
    pub(super) fn publish(&mut self, c: &Config, r: &Route) {
        let Some(publish) = &r.publish else {
            return;
        };
        let path = ["routes", r.name.as_str(), "publish"];
        let known: Vec<&str> = c.topics.iter().map(|t| t.name.as_str()).collect();
        if !publish.topic.is_empty() && !known.contains(&publish.topic.as_str()) {
            self.unknown(&path, "topic of `topics`", &publish.topic, &known);
        }
        let segments = r.matcher.path.segments.iter();
        let named = segments.filter_map(|s| match s {
            Segment::One(name) | Segment::Rest(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        });
        let names: Vec<&str> = named.chain(Publish::NAMES).collect();
        for name in publish.patterns().flat_map(|p| p.names()) {
            if !names.contains(&name) {
                self.unknown(&path, "part of the request", name, &names);
            }
        }
        let excluded = [
            (
                r.asynchronous.is_some(),
                "async",
                "a request becomes a job or an event",
            ),
            (
                r.idempotency.is_some(),
                "idempotency",
                "an Idempotency-Key is the id of the event, which the topic knows for `dedup`",
            ),
        ];
        for (there, other, why) in excluded {
            if there {
                let what = format!("`publish` and `{other}` exclude each other");
                let finding = Finding::error("config-publish", what).why(why);
                self.add(&path, finding.help("leave one of them out"));
            }
        }
    }

    pub(super) fn topics(&mut self, c: &Config) {
        let services: Vec<&str> = c.services.iter().map(|s| s.name.as_str()).collect();
        if c.topics.len() > TOPICS {
            let what = format!("there are more than {TOPICS} topics");
            self.add(&["topics"], Finding::error("config-too-many", what));
        }
        if !c.topics.is_empty() && c.state.is_none() {
            let what = "there are topics, and nowhere to publish to them";
            let finding = Finding::error("config-topics", what)
                .why("events come in on the listener of services, `state.listen`");
            self.add(
                &["topics"],
                finding.help(
                    "add `state: { listen: 127.0.0.1:9402, token: { env: PLIMSOLL_STATE_TOKEN } }`",
                ),
            );
        }
        let is_used = !c.topics.is_empty() || c.has_streams();
        if c.state.as_ref().is_some_and(|s| s.stores.is_empty()) && !is_used {
            let what = "`state` needs `stores`: nobody can ask for anything there";
            let finding = Finding::error("config-state", what);
            self.add(
                &["state"],
                finding.help("add `stores: { carts: { ttl: 24h } }`, or `topics`"),
            );
        }
        for t in &c.topics {
            let path = ["topics", t.name.as_str(), "subscriptions"];
            if t.subscriptions.len() > SUBSCRIPTIONS {
                let what = format!("`{}` has more than {SUBSCRIPTIONS} subscriptions", t.name);
                self.add(&path, Finding::error("config-too-many", what));
            }
            if t.dedup > t.keep {
                let what = "`dedup` is longer than `keep`: an event that is gone is not known";
                self.add(&path[..2], Finding::warning("config-topics", what));
            }
            for s in &t.subscriptions {
                if let Receiver::Service { service, .. } = &s.to
                    && !services.contains(&service.as_str())
                {
                    let at = [path[0], path[1], path[2], s.name.as_str(), "to"];
                    self.unknown(&at, "service", service, &services);
                }
            }
        }
    }
}
