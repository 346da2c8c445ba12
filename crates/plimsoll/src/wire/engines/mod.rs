//! The engines beyond the embedded one: opened as the config says at start, lent to the gateway, and asked who leads.

pub mod durable;
mod lead;
mod nodes;
pub mod shared;
mod shares;
mod spread;

use crate::exit::Failure;
use arc_swap::ArcSwap;
use base::Finding;
use config::Config;
use control::Control;
use durable::Durable;
use gateway::Gateway;
use lead::Leader;
use serde_json::{Value, json};
use shared::Shared;
use std::sync::{Arc, Mutex};
use store::{Counter, Embedded, Kv, Lease, Marked, SecondLevel};
use telemetry::prometheus::Page;

/// What several nodes have together; `None`: nothing of that kind.
#[derive(Clone, Default)]
pub struct Engines {
    shared: Option<Arc<Shared>>,
    durable: Option<Arc<Durable>>,
}

/// What is wrong with the section, seen from what this build has and what its files hold.
pub fn check(config: &Config) -> Vec<Finding> {
    [shared::check(config), durable::check(config)].concat()
}

fn not_built(key: &str, what: &str, feature: &str) -> Finding {
    let what = format!(
        "`engines.{key}` names a {what}, and this build of Plimsoll has no engine `{feature}`"
    );
    let help = "use a full build (`cargo build --release -p plimsoll --features full`), or leave `engines` out";
    Finding::error("engine-not-built", what).help(help)
}

/// The engine of these options. Where it cannot even be tried, why.
#[cfg(any(feature = "nats", feature = "redis"))]
fn made<O, T, E: std::fmt::Display>(
    options: Result<O, Finding>,
    open: impl FnOnce(&O) -> Result<T, E>,
) -> Result<Arc<T>, Failure> {
    let options = options.map_err(|f| Failure::new(f.to_string()))?;
    let engine = open(&options).map_err(|e| Failure::new(e.to_string()))?;
    Ok(Arc::new(engine))
}

impl Engines {
    /// Opened or not, an engine may be away: it is connected to in the background.
    pub fn open(config: &Config) -> Result<Engines, Failure> {
        Ok(Engines {
            shared: shared::open(config)?.map(Arc::new),
            durable: durable::open(config)?.map(Arc::new),
        })
    }

    pub fn counter(&self) -> Option<Arc<dyn Counter>> {
        self.shared.as_ref().map(|s| s.counter.clone())
    }

    /// Where the caches are that several nodes have together.
    pub fn second(&self) -> Option<Arc<dyn SecondLevel>> {
        self.shared.as_ref()?.second.clone()
    }

    /// Where keys, sessions and values of services are; `None`: in a file of this node.
    pub fn kv(&self) -> Option<Arc<dyn Kv>> {
        self.durable.as_ref().map(|d| d.kv.clone())
    }

    /// Values that nodes have together and may lose; `None`: there are none.
    pub fn values(&self) -> Option<Arc<dyn Kv>> {
        self.shared.as_ref().map(|s| s.values.clone())
    }

    /// Where the jobs of routes are; `None`: in a file of this node.
    pub fn queue(&self) -> Option<Arc<dyn Marked>> {
        self.durable.as_ref().and_then(|d| d.queue.clone())
    }

    /// Has whoever waits for a job told of its end at another node.
    pub fn listen(&self, heard: durable::Heard) {
        if let Some(durable) = &self.durable {
            (durable.listen)(heard);
        }
    }

    /// Opens the events of all nodes; `None`: each node has its own, or there are none.
    pub fn events(&self) -> Option<&durable::OpenEvents> {
        self.durable.as_ref()?.events.as_ref()
    }

    /// Opens the topics of all nodes; `None`: each node has its own, or there are none.
    pub fn topics(&self) -> Option<&durable::OpenTopics> {
        self.durable.as_ref()?.topics.as_ref()
    }

    fn lease(&self) -> Option<Arc<dyn Lease>> {
        let shared = self.shared.as_ref().map(|s| s.lease.clone());
        shared.or_else(|| self.durable.as_ref().map(|d| d.lease.clone()))
    }

    /// Keeps asking for the leases of the loops that act. `None`: this node is alone.
    pub fn lead(&self) -> Result<Option<Leader>, Failure> {
        let relays = self.events().is_some() || self.queue().is_some();
        let start = |lease| Leader::start(lease, relays);
        self.lease().map(start).transpose()
    }

    /// How each is that is configured.
    fn standings(&self) -> Vec<(&'static str, Value)> {
        let shared = self.shared.as_ref().map(|s| ("shared", (s.standing)()));
        let durable = self.durable.as_ref().map(|d| ("durable", (d.standing)()));
        shared.into_iter().chain(durable).collect()
    }

    /// Says what this node runs, and hears what the others do. `None`: this node is alone.
    pub fn say(&self, current: Arc<ArcSwap<Config>>) -> Result<Option<Saying>, Failure> {
        match &self.shared {
            Some(shared) => {
                let values = shared.values.clone();
                Ok(Some(Saying::start(values, lead::owner(), current)?))
            }
            None => Ok(None),
        }
    }

    /// Has the overlays of all nodes together. `None`: this node is alone.
    pub fn spread(&self, control: &Arc<Control>) -> Result<Option<Spreading>, Failure> {
        let shared = self.shared.as_ref().map(|s| s.values.clone());
        let start = |kv| Spreading::start(kv, lead::owner(), control.clone());
        shared.or_else(|| self.kv()).map(start).transpose()
    }

    /// Keeps this node's shares of limits over a restart. `None`: this node is alone.
    pub fn keep_shares(
        &self,
        store: Arc<Embedded>,
        gateway: Arc<Mutex<Option<Gateway>>>,
    ) -> Result<Option<Shares>, Failure> {
        match &self.shared {
            Some(_) => Ok(Some(Shares::start(store, gateway)?)),
            None => Ok(None),
        }
    }

    /// For Prometheus; nothing without an engine.
    pub fn metrics(&self, nodes: Option<&Nodes>, spread: Option<&Spread>) -> String {
        let standings = self.standings();
        if standings.is_empty() {
            return String::new();
        }
        let mut page = Page::default();
        let help = "Whether an engine can be used and written to.";
        page.family("plimsoll_engine_up", "gauge", help);
        for (name, standing) in &standings {
            let up = f64::from(standing["wrong"].is_null());
            page.row("", &[("engine", *name)], up);
        }
        let help = "Calls to an engine that failed.";
        page.family("plimsoll_engine_failed_total", "counter", help);
        for (name, standing) in &standings {
            let failed = standing["failed"].as_f64().unwrap_or(0.0);
            page.row("", &[("engine", *name)], failed);
        }
        if let Some(nodes) = nodes {
            let help = "Other nodes that live: with the config of this one, and with another.";
            page.family("plimsoll_nodes", "gauge", help);
            for (config, n) in ["same", "other"].into_iter().zip(nodes.counts()) {
                page.row("", &[("config", config)], n as f64);
            }
        }
        if let Some(spread) = spread {
            let help =
                "Overlays that are in service at one node and not at this one, or here only.";
            page.family("plimsoll_overlays_refused", "gauge", help);
            let refused = spread.standing().refused;
            let n: usize = refused.iter().map(|r| r.overlays.len()).sum();
            page.row("", &[], n as f64);
        }
        page.finish()
    }

    /// As `GET /api/v1/engines` tells it: the loops are with the engine that has their leases, the nodes with the one that they meet in.
    pub fn shown(
        &self,
        leader: Option<&lead::Leading>,
        nodes: Option<&Nodes>,
        spread: Option<&Spread>,
    ) -> Value {
        let mut shown = json!({ "shared": null, "durable": null });
        let loops = leader.map_or(Value::Null, lead::Leading::shown);
        for (i, (name, mut standing)) in self.standings().into_iter().enumerate() {
            if i == 0 {
                standing["loops"] = loops.clone();
                standing["overlays"] = json!(spread.map(Spread::standing));
            }
            if name == "shared" {
                standing["nodes"] = nodes.map_or(Value::Null, Nodes::shown);
                standing["nodes_wrong"] = json!(nodes.and_then(Nodes::wrong));
            }
            shown[name] = standing;
        }
        shown
    }
}

pub use lead::{Leader as Lead, STREAMS};
pub use nodes::{Nodes, Saying};
pub use shares::Keeper as Shares;
pub use spread::{Spread, Spreading};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_an_engine_says_so() {
        let text = "listen: 127.0.0.1:0\nengines: { shared: 'redis://h', durable: 'nats://h' }\nservices: { a: { instances: [127.0.0.1:1] } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let wrong: Vec<String> = check(&config).iter().map(ToString::to_string).collect();
        let missing = [
            (cfg!(feature = "redis"), "no engine `redis`"),
            (cfg!(feature = "nats"), "no engine `nats`"),
        ];
        for (built, what) in missing {
            let said = wrong.iter().any(|w| w.contains(what));
            assert_eq!(said, !built, "{wrong:?}");
        }
    }

    #[cfg(feature = "nats")]
    #[test]
    fn streams_of_all_nodes_may_let_events_go() {
        let said = |streams: &str| {
            let text = format!(
                "listen: 127.0.0.1:0\nengines: {{ durable: 'nats://h' }}\nstreams: {streams}\nservices: {{ a: {{ instances: [127.0.0.1:1] }} }}\n"
            );
            let config = config::check_text("p.yaml", &text).config.unwrap();
            let wrong = check(&config);
            wrong.iter().map(ToString::to_string).collect::<String>()
        };
        assert_eq!(said("{ retention: 30d }"), "");
        assert_eq!(said("{ retention: 30d, shared: false }"), "");
        assert_eq!(said("{}"), "");
    }

    #[test]
    fn what_is_there_is_shown_and_who_has_the_leases_has_the_loops() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(store::Embedded::open(dir.path().join("e.db")).unwrap());
        let standing = |wrong: Option<&str>| {
            let standing = json!({ "place": "h:1", "wrong": wrong, "failed": 2 });
            move || standing.clone()
        };
        let durable = Durable {
            kv: store.clone(),
            lease: store.clone(),
            queue: None,
            listen: Box::new(|_| {}),
            events: None,
            topics: None,
            standing: Box::new(standing(Some("gone"))),
        };
        let mut engines = Engines {
            shared: None,
            durable: Some(Arc::new(durable)),
        };
        let leader = engines.lead().unwrap().unwrap();
        let shown = engines.shown(Some(&leader.leading), None, None);
        assert!(shown["shared"].is_null() && shown["durable"]["loops"]["trial"] == "here");
        engines.shared = Some(Arc::new(Shared {
            counter: store.clone(),
            lease: store.clone(),
            values: store,
            second: None,
            standing: Box::new(standing(None)),
        }));
        let shown = engines.shown(Some(&leader.leading), None, None);
        assert!(shown["durable"]["loops"].is_null() && shown["shared"]["loops"]["trial"] == "here");
        let page = engines.metrics(None, None);
        for row in [
            "plimsoll_engine_up{engine=\"shared\"} 1",
            "plimsoll_engine_up{engine=\"durable\"} 0",
            "plimsoll_engine_failed_total{engine=\"durable\"} 2",
        ] {
            assert!(page.contains(row), "{page}");
        }
        assert_eq!(Engines::default().metrics(None, None), "");
    }
}
