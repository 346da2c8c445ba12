//! The engines beyond the embedded one: opened as the config says at start, lent to the gateway's limits, and asked who leads.

mod lead;
mod nodes;
mod shares;

use crate::exit::Failure;
use arc_swap::ArcSwap;
use base::Finding;
use config::Config;
#[cfg(feature = "redis")]
use config::Secret;
use gateway::Gateway;
use lead::Leader;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use store::{Counter, Embedded, Kv, Lease};
use telemetry::prometheus::Page;

/// What several nodes share; `None` inside: nothing.
#[derive(Clone, Default)]
pub struct Engines(Option<Arc<Shared>>);

struct Shared {
    counter: Arc<dyn Counter>,
    lease: Arc<dyn Lease>,
    values: Arc<dyn Kv>,
    standing: Box<dyn Fn() -> Value + Send + Sync>,
}

/// What is wrong with the section, seen from what this build has and what its files hold.
pub fn check(config: &Config) -> Vec<Finding> {
    match (&config.engines.shared, cfg!(feature = "redis")) {
        (None, _) => Vec::new(),
        (Some(_), false) => {
            let what =
                "`engines.shared` names a Redis, and this build of Plimsoll has no engine `redis`";
            let help = "use a full build (`cargo build --release -p plimsoll --features full`), or leave `engines` out";
            vec![Finding::error("engine-not-built", what).help(help)]
        }
        (Some(_), true) => opened(config).err().into_iter().collect(),
    }
}

#[cfg(feature = "redis")]
pub fn options(config: &Config) -> Result<store::redis::Options, Finding> {
    let engines = &config.engines;
    let Some(shared) = &engines.shared else {
        return Err(Finding::error("engine", "`engines.shared` names nothing"));
    };
    Ok(store::redis::Options {
        url: shared.fetch()?,
        ca: engines.ca.clone(),
        prefix: engines.prefix.clone(),
    })
}

/// Connects to nothing: whether the URL and the files can be used. A secret that is elsewhere need not be there yet.
#[cfg(feature = "redis")]
fn opened(config: &Config) -> Result<(), Finding> {
    if !matches!(config.engines.shared, Some(Secret::Text(_))) {
        return Ok(());
    }
    let checked = store::redis::Redis::check(&options(config)?);
    checked.map_err(|e| Finding::error("engine", e.to_string()))
}

#[cfg(not(feature = "redis"))]
fn opened(_config: &Config) -> Result<(), Finding> {
    Ok(())
}

#[cfg(feature = "redis")]
fn open(config: &Config) -> Result<Option<Shared>, Failure> {
    if config.engines.shared.is_none() {
        return Ok(None);
    }
    let options = options(config).map_err(|f| Failure::new(f.to_string()))?;
    let redis = store::redis::Redis::open(&options).map_err(|e| Failure::new(e.to_string()))?;
    let redis = Arc::new(redis);
    Ok(Some(Shared {
        counter: redis.clone(),
        lease: redis.clone(),
        values: redis.clone(),
        standing: Box::new(move || serde_json::to_value(redis.standing()).unwrap_or_default()),
    }))
}

#[cfg(not(feature = "redis"))]
fn open(_config: &Config) -> Result<Option<Shared>, Failure> {
    Ok(None)
}

impl Engines {
    /// Opened or not, the engine may be away: it is connected to in the background.
    pub fn open(config: &Config) -> Result<Engines, Failure> {
        Ok(Engines(open(config)?.map(Arc::new)))
    }

    pub fn counter(&self) -> Option<Arc<dyn Counter>> {
        self.0.as_ref().map(|s| s.counter.clone())
    }

    /// Keeps asking for the leases of the loops that act. `None`: this node is alone.
    pub fn lead(&self) -> Result<Option<Leader>, Failure> {
        match &self.0 {
            Some(shared) => Ok(Some(Leader::start(shared.lease.clone())?)),
            None => Ok(None),
        }
    }

    /// Says what this node runs, and hears what the others do. `None`: this node is alone.
    pub fn say(&self, current: Arc<ArcSwap<Config>>) -> Result<Option<Saying>, Failure> {
        match &self.0 {
            Some(shared) => {
                let values = shared.values.clone();
                Ok(Some(Saying::start(values, lead::owner(), current)?))
            }
            None => Ok(None),
        }
    }

    /// Keeps this node's shares of limits over a restart. `None`: this node is alone.
    pub fn keep_shares(
        &self,
        store: Arc<Embedded>,
        gateway: Arc<Mutex<Option<Gateway>>>,
    ) -> Result<Option<Shares>, Failure> {
        match &self.0 {
            Some(_) => Ok(Some(Shares::start(store, gateway)?)),
            None => Ok(None),
        }
    }

    /// For Prometheus; nothing without an engine.
    pub fn metrics(&self, nodes: Option<&Nodes>) -> String {
        let Some(shared) = &self.0 else {
            return String::new();
        };
        let standing = (shared.standing)();
        let mut page = Page::default();
        let help = "Whether the shared engine can be used and written to.";
        page.family("plimsoll_engine_up", "gauge", help);
        let up = f64::from(standing["wrong"].is_null());
        page.row("", &[("engine", "shared")], up);
        let help = "Calls to the shared engine that failed.";
        page.family("plimsoll_engine_failed_total", "counter", help);
        let failed = standing["failed"].as_f64().unwrap_or(0.0);
        page.row("", &[("engine", "shared")], failed);
        if let Some(nodes) = nodes {
            let help = "Other nodes that live: with the config of this one, and with another.";
            page.family("plimsoll_nodes", "gauge", help);
            for (config, n) in ["same", "other"].into_iter().zip(nodes.counts()) {
                page.row("", &[("config", config)], n as f64);
            }
        }
        page.finish()
    }

    /// As `GET /api/v1/engines` tells it.
    pub fn shown(&self, leader: Option<&lead::Leading>, nodes: Option<&Nodes>) -> Value {
        let Some(shared) = &self.0 else {
            return json!({ "shared": null });
        };
        let mut standing = (shared.standing)();
        standing["loops"] = leader.map_or(Value::Null, lead::Leading::shown);
        standing["nodes"] = nodes.map_or(Value::Null, Nodes::shown);
        standing["nodes_wrong"] = json!(nodes.and_then(Nodes::wrong));
        json!({ "shared": standing })
    }
}

pub use lead::Leader as Lead;
pub use nodes::{Nodes, Saying};
pub use shares::Keeper as Shares;

#[cfg(all(test, not(feature = "redis")))]
mod tests {
    #[test]
    fn a_build_without_the_engine_says_so() {
        let text = "listen: 127.0.0.1:0\nengines: { shared: 'redis://h' }\nservices: { a: { instances: [127.0.0.1:1] } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let wrong = super::check(&config);
        assert!(
            wrong[0].to_string().contains("no engine `redis`"),
            "{wrong:?}"
        );
    }
}
