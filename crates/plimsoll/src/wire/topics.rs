//! Topics: their API is given the gateway's queue, and what console, commands and metrics ask of them. Where those of all nodes are followed:
//! `all`.

mod all;

pub use all::{All, FILE, open};

use super::jobs::{Jobs, keep, shown};
use arc_swap::ArcSwap;
use base::Finding;
use base::clock::Clock;
use config::Config;
use config::sections::{Receiver, Subscription, Topic, lane};
use console::{EventList, TopicDeed};
use gateway::Gateway;
use gateway::topics::health;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Broker, Error, State};
use telemetry::prometheus::Page;
use topics::{Api, Parts};

/// What answers services; the queue is there when the gateway has it.
pub fn api(gateway: &Gateway, config: Arc<ArcSwap<Config>>, clock: Clock) -> Arc<Api> {
    let (lent, timed, woken) = (gateway.jobs(), gateway.jobs(), gateway.jobs());
    Api::new(Parts {
        lent: Box::new(move || lent.broker()),
        config,
        now_ms: Box::new(move || timed.now_ms(clock.now())),
        news: gateway.jobs().published.clone(),
        wake: Box::new(move || woken.news.notify_one()),
    })
}

/// What is shown of topics, and done to them.
#[derive(Clone)]
pub struct Topics {
    jobs: Jobs,
    config: Arc<ArcSwap<Config>>,
    /// How it stands with the copy of those of all nodes; `None`: they are this node's own.
    following: Option<Following>,
}

/// Null when it is closed.
pub type Following = Arc<dyn Fn() -> Value + Send + Sync>;

impl Topics {
    pub fn new(jobs: Jobs, config: Arc<ArcSwap<Config>>, following: Option<Following>) -> Topics {
        Topics {
            jobs,
            config,
            following,
        }
    }

    fn lent(&self) -> Option<Arc<dyn Broker>> {
        self.jobs.with_gateway(|g| g.jobs().broker())
    }

    fn store(&self) -> Result<Arc<dyn Broker>, Vec<Finding>> {
        self.lent().ok_or_else(|| {
            let none = Finding::error(
                "topics-none",
                "there is no queue of events: no topic is configured",
            );
            vec![none.help("add `topics: { NAME: { subscriptions: { … } } }`, and restart")]
        })
    }

    /// A subscription of the config in service, and where its events wait.
    fn lane(&self, topic: &str, subscription: &str) -> Result<String, Vec<Finding>> {
        let config = self.config.load();
        let topic_there = config.topics.iter().find(|t| t.name == topic);
        let there =
            topic_there.and_then(|t| t.subscriptions.iter().find(|s| s.name == subscription));
        match there {
            Some(s) if s.has_lane() => Ok(s.lane(topic)),
            Some(_) => Err(unknown(format!(
                "`{subscription}` is a stream: nothing waits for it"
            ))),
            None => Err(unknown(format!(
                "there is no subscription `{subscription}` of a topic `{topic}`"
            ))),
        }
    }

    /// One subscription, as it is shown.
    fn subscription(&self, topic: &Topic, s: &Subscription, seen: &Seen) -> Value {
        let name = s.lane(&topic.name);
        let found = seen.lanes.iter().find(|l| l.name == name);
        let pace = seen.paces.iter().find(|p| p.name == name);
        let oldest = found.and_then(|l| l.oldest_ms);
        let pushed = pace.filter(|_| s.is_pushed());
        json!({
            "subscription": s.name, "to": way(&s.to),
            "waiting": found.map_or(0, |l| l.waiting), "dead": found.map_or(0, |l| l.dead),
            "oldest_s": oldest.map(|at| seen.now_ms.saturating_sub(at) / 1000),
            "in_flight": pushed.map(|p| p.in_flight), "rate": pushed.map(|p| p.rate),
            "reason": pushed.map(|p| p.reason), "detail": pushed.map(|p| p.detail.clone()),
            "disabled": pushed.filter(|p| p.reason == "disabled").map(|p| p.detail.clone()),
        })
    }

    fn seen(&self, store: &dyn Broker) -> Result<Seen, Error> {
        Ok(Seen {
            topics: store.topics()?,
            lanes: store.lanes()?,
            paces: self.jobs.paces(),
            now_ms: self.jobs.now_ms(),
        })
    }

    /// For Prometheus; nothing without topics.
    pub fn metrics(&self) -> String {
        let config = self.config.load();
        let store = self.lent().filter(|_| !config.topics.is_empty());
        let Some(Ok(seen)) = store.map(|s| self.seen(&*s)) else {
            return String::new();
        };
        let mut page = Page::default();
        if let Some(following) = &self.following {
            let help = "Whether what all nodes do to topics is followed here.";
            page.family("plimsoll_topics_followed", "gauge", help);
            page.row("", &[], f64::from(u8::from(following()["wrong"].is_null())));
        }
        type Of = fn(&store::Topic) -> u64;
        let held: [(&'static str, &'static str, &str, Of); 4] = [
            (
                "plimsoll_topics_events",
                "gauge",
                "Events that a topic holds.",
                |t| t.events,
            ),
            ("plimsoll_topics_bytes", "gauge", "Bytes of them.", |t| {
                t.bytes
            }),
            (
                "plimsoll_topics_position",
                "gauge",
                "Position of the newest event that was published.",
                |t| t.last,
            ),
            (
                "plimsoll_topics_dead_dropped_total",
                "counter",
                "Dead letters that gave way to new events.",
                |t| t.dropped,
            ),
        ];
        for (name, kind, help, of) in held {
            page.family(name, kind, help);
            for t in &seen.topics {
                page.row("", &[("topic", t.name.as_str())], of(t) as f64);
            }
        }
        let each = |page: &mut Page, of: &dyn Fn(&str, &Subscription) -> Option<f64>| {
            for t in &config.topics {
                for s in t.subscriptions.iter().filter(|s| s.has_lane()) {
                    if let Some(value) = of(&s.lane(&t.name), s) {
                        let labels = [
                            ("topic", t.name.as_str()),
                            ("subscription", s.name.as_str()),
                        ];
                        page.row("", &labels, value);
                    }
                }
            }
        };
        let lane = |name: &str| seen.lanes.iter().find(|l| l.name == *name);
        page.family(
            "plimsoll_topics_waiting",
            "gauge",
            "Events that a subscription has not got.",
        );
        each(&mut page, &|n, _| {
            Some(lane(n).map_or(0, |l| l.waiting) as f64)
        });
        page.family(
            "plimsoll_topics_oldest_seconds",
            "gauge",
            "Age of the oldest of them.",
        );
        each(&mut page, &|n, _| {
            let oldest = lane(n).and_then(|l| l.oldest_ms);
            Some(oldest.map_or(0.0, |at| seen.now_ms.saturating_sub(at) as f64 / 1e3))
        });
        page.family(
            "plimsoll_topics_dead",
            "gauge",
            "Events that were given up and are kept.",
        );
        each(
            &mut page,
            &|n, _| Some(lane(n).map_or(0, |l| l.dead) as f64),
        );
        let pace = |name: &str| seen.paces.iter().find(|p| p.name == *name);
        page.family("plimsoll_topics_rate", "gauge", "Deliveries per second.");
        each(&mut page, &|n, s| {
            pace(n).filter(|_| s.is_pushed()).map(|p| p.rate)
        });
        page.family(
            "plimsoll_topics_disabled",
            "gauge",
            "1: its webhook was given up until somebody resumes it.",
        );
        each(&mut page, &|n, s| {
            let webhook = matches!(s.to, Receiver::Webhook(_));
            let disabled = pace(n).is_some_and(|p| p.reason == "disabled");
            webhook.then_some(f64::from(u8::from(disabled)))
        });
        page.finish()
    }
}

/// What is known at one moment.
struct Seen {
    topics: Vec<store::Topic>,
    lanes: Vec<store::Lane>,
    paces: Vec<gateway::jobs::Lane>,
    now_ms: u64,
}

/// For people; an address outside may be a secret.
fn way(to: &Receiver) -> String {
    match to {
        Receiver::Service { service, path } => format!("service {service} {path}"),
        Receiver::Webhook(_) => "webhook".into(),
        Receiver::Pull => "pull".into(),
        Receiver::Stream => "sse".into(),
    }
}

fn failed(e: Error) -> Vec<Finding> {
    vec![Finding::error("topics-store", e.to_string())]
}

fn unknown(what: String) -> Vec<Finding> {
    vec![Finding::error("topics-unknown", what)]
}

impl console::Topics for Topics {
    fn status(&self) -> Result<Value, Vec<Finding>> {
        let config = self.config.load();
        if config.topics.is_empty() {
            return Ok(json!([]));
        }
        let store = self.store()?;
        let seen = self.seen(&*store).map_err(failed)?;
        let following = self.following.as_ref().map(|f| f());
        let all = config.topics.iter().map(|t| {
            let known = seen.topics.iter().find(|k| k.name == t.name);
            let of = |s| self.subscription(t, s, &seen);
            json!({
                "topic": t.name, "events": known.map_or(0, |k| k.events), "bytes": known.map_or(0, |k| k.bytes),
                "position": known.map_or(0, |k| k.last), "dead_dropped": known.map_or(0, |k| k.dropped),
                "subscriptions": t.subscriptions.iter().map(of).collect::<Vec<_>>(), "following": following,
            })
        });
        Ok(all.collect())
    }

    fn list(&self, ask: &EventList) -> Result<Value, Vec<Finding>> {
        let by_name = |s: &State| s.name() == ask.state.as_deref().unwrap_or("dead");
        let lasting = [State::Waiting, State::Leased, State::Behind, State::Dead];
        let Some(state) = lasting.into_iter().find(by_name) else {
            let names = lasting.map(State::name).join(", ");
            let what = format!(
                "`{}` is no state of an event",
                ask.state.as_deref().unwrap_or("")
            );
            return Err(vec![
                Finding::error("topics-state", what).help(format!("there are {names}")),
            ]);
        };
        let name = lane(&ask.topic, &ask.subscription);
        let limit = ask.limit.unwrap_or(50).min(1000) as usize;
        let jobs = self
            .store()?
            .jobs(&name, state, ask.after.unwrap_or(0), limit);
        Ok(jobs.map_err(failed)?.iter().map(shown).collect())
    }

    fn act(&self, deed: &TopicDeed) -> Result<Value, Vec<Finding>> {
        let store = self.store()?;
        let (topic, name) = deed.of();
        let lane = self.lane(topic, name)?;
        match deed {
            TopicDeed::Pause { .. } | TopicDeed::Resume { .. } => {
                let paused = matches!(deed, TopicDeed::Pause { .. });
                if !self
                    .jobs
                    .with_gateway(|g| g.pause_subscription(&lane, paused))
                {
                    let what = format!("nothing is pushed to `{name}`: whoever pulls decides when");
                    return Err(unknown(what));
                }
                if let Err(e) = keep(&*store, &lane, paused) {
                    let _ = (self.jobs).with_gateway(|g| g.pause_subscription(&lane, !paused));
                    return Err(failed(e));
                }
                if !paused {
                    let jobs = self.jobs.with_gateway(|g| Some(g.jobs()));
                    if let Some(jobs) = jobs {
                        let lane = lane.as_str().into();
                        health::forgive(&jobs, &*store, &lane, self.jobs.now_ms())
                            .map_err(failed)?;
                    }
                }
                Ok(json!({ "topic": topic, "subscription": name, "paused": paused }))
            }
            TopicDeed::Redrive { .. } => {
                let driven = self.jobs.redrive_all(&lane, &*store).map_err(failed)?;
                Ok(json!({ "topic": topic, "subscription": name, "redriven": driven }))
            }
        }
    }
}
