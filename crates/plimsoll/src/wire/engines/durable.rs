//! `engines.durable`: a NATS with JetStream, for keys, sessions and values of services, and for leases where no Redis has them.

use crate::exit::Failure;
use base::Finding;
use config::Config;
#[cfg(feature = "nats")]
use config::Secret;
use serde_json::Value;
use std::sync::Arc;
use store::{Embedded, Kv, Lease};

/// Told of the last position of an event.
pub type News = Box<dyn Fn(u64) + Send + Sync>;
/// Makes a file of this node the copy of the events of all nodes.
pub type OpenEvents =
    Box<dyn Fn(Arc<Embedded>, News) -> Result<Events, store::Error> + Send + Sync>;

/// Events of all nodes.
pub struct Events {
    pub store: Arc<dyn streams::Store>,
    /// How it stands with this node's copy.
    pub following: Arc<dyn Fn() -> Value + Send + Sync>,
}

pub struct Durable {
    pub kv: Arc<dyn Kv>,
    pub lease: Arc<dyn Lease>,
    pub standing: Box<dyn Fn() -> Value + Send + Sync>,
    /// `None`: there are none, or each node has its own.
    pub events: Option<OpenEvents>,
}

pub fn check(config: &Config) -> Vec<Finding> {
    match (&config.engines.durable, cfg!(feature = "nats")) {
        (None, _) => Vec::new(),
        (Some(_), false) => vec![super::not_built("durable", "NATS", "nats")],
        (Some(_), true) => (opened(config).err().into_iter())
            .chain(kept(config))
            .collect(),
    }
}

/// A node that joins reads all events from the first on.
fn kept(config: &Config) -> Option<Finding> {
    let retention = config.streams.as_ref().and_then(|s| s.retention);
    (config.shares_streams() && retention.is_some()).then(|| {
        let what = "`streams.retention` cannot be had with the streams of `engines.durable`: a node that joins reads them from the first event on";
        Finding::error("engine-retention", what)
            .help("leave `retention` out, or keep each node's own with `streams: { shared: false }`")
    })
}

#[cfg(feature = "nats")]
pub fn options(config: &Config) -> Result<store::nats::Options, Finding> {
    let engines = &config.engines;
    let Some(durable) = &engines.durable else {
        return Err(Finding::error("engine", "`engines.durable` names nothing"));
    };
    Ok(store::nats::Options {
        url: durable.fetch()?,
        ca: engines.ca.clone(),
        prefix: engines.prefix.clone(),
        replicas: engines.replicas,
        size: engines.size,
        events: (config.shares_streams()).then(|| config.streams.clone().unwrap_or_default().size),
    })
}

/// Connects to nothing: whether the URL and the files can be used. A secret that is elsewhere need not be there yet.
#[cfg(feature = "nats")]
fn opened(config: &Config) -> Result<(), Finding> {
    if !matches!(config.engines.durable, Some(Secret::Text(_))) {
        return Ok(());
    }
    let checked = store::nats::Nats::check(&options(config)?);
    checked.map_err(|e| Finding::error("engine", e.to_string()))
}

#[cfg(not(feature = "nats"))]
fn opened(_config: &Config) -> Result<(), Finding> {
    Ok(())
}

#[cfg(feature = "nats")]
pub fn open(config: &Config) -> Result<Option<Durable>, Failure> {
    if config.engines.durable.is_none() {
        return Ok(None);
    }
    let options = options(config).map_err(|f| Failure::new(f.to_string()))?;
    let nats = store::nats::Nats::open(&options).map_err(|e| Failure::new(e.to_string()))?;
    let nats = Arc::new(nats);
    let events = config.shares_streams().then(|| {
        let nats = nats.clone();
        let open: OpenEvents = Box::new(move |copy, news| {
            let shared = store::nats::log::Shared::open(nats.clone(), copy, news)?;
            let shared = Arc::new(shared);
            let of = Arc::downgrade(&shared);
            let following = move || {
                let now = of.upgrade().map(|s| s.following());
                serde_json::to_value(now).unwrap_or_default()
            };
            Ok(Events {
                store: shared,
                following: Arc::new(following),
            })
        });
        open
    });
    Ok(Some(Durable {
        events,
        kv: nats.clone(),
        lease: nats.clone(),
        standing: Box::new(move || serde_json::to_value(nats.standing()).unwrap_or_default()),
    }))
}

#[cfg(not(feature = "nats"))]
pub fn open(_config: &Config) -> Result<Option<Durable>, Failure> {
    Ok(None)
}
