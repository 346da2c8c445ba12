//! `engines.durable`: a NATS with JetStream, for keys, sessions and values of services, for leases where no Redis has them, and for jobs
//! where `engines.jobs` says so.

use crate::exit::Failure;
use base::Finding;
use config::Config;
#[cfg(feature = "nats")]
use config::Secret;
#[cfg(feature = "nats")]
use config::sections::JobsIn;
use serde_json::Value;
use std::sync::Arc;
use store::{JobId, Kv, Lease, Queue};

/// Told of each job that has ended, or whose attempt has, at whatever node.
pub type Heard = Box<dyn Fn(JobId) + Send + Sync>;

pub struct Durable {
    pub kv: Arc<dyn Kv>,
    pub lease: Arc<dyn Lease>,
    /// `None`: jobs are in a file of each node.
    pub queue: Option<Arc<dyn Queue>>,
    pub listen: Box<dyn Fn(Heard) + Send + Sync>,
    pub standing: Box<dyn Fn() -> Value + Send + Sync>,
}

pub fn check(config: &Config) -> Vec<Finding> {
    match (&config.engines.durable, cfg!(feature = "nats")) {
        (None, _) => Vec::new(),
        (Some(_), false) => vec![super::not_built("durable", "NATS", "nats")],
        (Some(_), true) => opened(config).err().into_iter().collect(),
    }
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
        jobs: engines.jobs == JobsIn::Durable,
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
    let nats = super::made(options(config), store::nats::Nats::open)?;
    let jobs = match config.engines.jobs {
        JobsIn::Durable => Some(super::made(options(config), store::nats::Jobs::open)?),
        JobsIn::Embedded => None,
    };
    let (listening, standing) = (jobs.clone(), jobs.as_ref().map(|j| j.stander()));
    Ok(Some(Durable {
        kv: nats.clone(),
        lease: nats.clone(),
        queue: jobs.map(|jobs| jobs as Arc<dyn Queue>),
        listen: Box::new(move |heard| {
            if let Some(jobs) = &listening {
                jobs.listen(heard);
            }
        }),
        standing: Box::new(move || {
            let mut all = nats.standing();
            if let Some(jobs) = &standing {
                let jobs = jobs();
                all.failed += jobs.failed;
                all.wrong = all.wrong.or(jobs.wrong);
            }
            serde_json::to_value(all).unwrap_or_default()
        }),
    }))
}

#[cfg(not(feature = "nats"))]
pub fn open(_config: &Config) -> Result<Option<Durable>, Failure> {
    Ok(None)
}
