//! `engines.shared`: a Redis, for limits, leases, sessions, and what caches have together.

use crate::exit::Failure;
use base::Finding;
use config::Config;
#[cfg(feature = "redis")]
use config::Secret;
use serde_json::Value;
use std::sync::Arc;
use store::{Counter, Kv, Lease, SecondLevel};

pub struct Shared {
    pub counter: Arc<dyn Counter>,
    pub lease: Arc<dyn Lease>,
    pub values: Arc<dyn Kv>,
    /// Of caches; connects when a route's cache is shared. `None`: the engine has none.
    pub second: Option<Arc<dyn SecondLevel>>,
    pub standing: Box<dyn Fn() -> Value + Send + Sync>,
}

pub fn check(config: &Config) -> Vec<Finding> {
    match (&config.engines.shared, cfg!(feature = "redis")) {
        (None, _) => Vec::new(),
        (Some(_), false) => vec![super::not_built("shared", "Redis", "redis")],
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
pub fn open(config: &Config) -> Result<Option<Shared>, Failure> {
    if config.engines.shared.is_none() {
        return Ok(None);
    }
    let redis = super::made(options(config), store::redis::Redis::open)?;
    let second = super::made(options(config), store::redis::Second::open)?;
    Ok(Some(Shared {
        counter: redis.clone(),
        lease: redis.clone(),
        values: redis.clone(),
        second: Some(second),
        standing: Box::new(move || serde_json::to_value(redis.standing()).unwrap_or_default()),
    }))
}

#[cfg(not(feature = "redis"))]
pub fn open(_config: &Config) -> Result<Option<Shared>, Failure> {
    Ok(None)
}
