//! `engines.durable`: a NATS with JetStream, for keys, sessions and values of services, for leases where no Redis has them, and for jobs
//! where `engines.jobs` says so.

use crate::exit::Failure;
use base::Finding;
use config::Config;
#[cfg(feature = "nats")]
use config::Secret;
#[cfg(feature = "nats")]
use config::sections::KeptIn;
use serde_json::Value;
use std::sync::Arc;
#[cfg(feature = "nats")]
use std::sync::{Mutex, MutexGuard};
#[cfg(feature = "nats")]
use store::nats::Standing;
use store::{Broker, Embedded, JobId, Kv, Lease, Marked};

/// Told of each job that has ended, or whose attempt has, at whatever node.
pub type Heard = Box<dyn Fn(JobId) + Send + Sync>;
/// Told of the last position of an event.
pub type News = Box<dyn Fn(u64) + Send + Sync>;
/// Makes a file of this node the copy of the events of all nodes.
pub type OpenEvents =
    Box<dyn Fn(Arc<Embedded>, News) -> Result<Events, store::Error> + Send + Sync>;

/// Makes a file of this node the copy of the topics of all nodes; told of events, and of what is kept beside them.
pub type OpenTopics = Box<
    dyn Fn(Arc<Embedded>, Box<dyn Fn() + Send + Sync>) -> Result<Topics, store::Error>
        + Send
        + Sync,
>;

/// Topics of all nodes.
pub struct Topics {
    pub store: Arc<dyn Broker>,
    /// How it stands with this node's copy.
    pub following: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// Events of all nodes.
pub struct Events {
    pub store: Arc<dyn streams::Store>,
    /// How it stands with this node's copy.
    pub following: Arc<dyn Fn() -> Value + Send + Sync>,
}

pub struct Durable {
    pub kv: Arc<dyn Kv>,
    pub lease: Arc<dyn Lease>,
    /// `None`: jobs are in a file of each node.
    pub queue: Option<Arc<dyn Marked>>,
    pub listen: Box<dyn Fn(Heard) + Send + Sync>,
    pub standing: Box<dyn Fn() -> Value + Send + Sync>,
    /// `None`: there are none, or each node has its own.
    pub events: Option<OpenEvents>,
    /// The same of topics.
    pub topics: Option<OpenTopics>,
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
        jobs: (engines.jobs == KeptIn::Durable).then_some(engines.size),
        topics: config.shares_topics().then_some(engines.size),
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
    let nats = super::made(options(config), store::nats::Nats::open)?;
    let jobs = match config.engines.jobs {
        KeptIn::Durable => Some(super::made(options(config), store::nats::Jobs::open)?),
        KeptIn::Embedded => None,
    };
    let others: Others = Arc::default();
    if let Some(jobs) = &jobs {
        lock(&others).push(Box::new(jobs.stander()));
    }
    let events = match config.shares_streams() {
        true => Some(open_events(config, nats.clone(), others.clone())?),
        false => None,
    };
    let topics = match config.shares_topics() {
        true => Some(open_topics(config, others.clone())?),
        false => None,
    };
    let listening = jobs.clone();
    Ok(Some(Durable {
        events,
        topics,
        kv: nats.clone(),
        lease: nats.clone(),
        queue: jobs.map(|jobs| jobs as Arc<dyn Marked>),
        listen: Box::new(move |heard| {
            if let Some(jobs) = &listening {
                jobs.listen(heard);
            }
        }),
        standing: Box::new(move || {
            let mut all = nats.standing();
            for other in lock(&others).iter().map(|stands| stands()) {
                all.failed += other.failed;
                all.wrong = all.wrong.or(other.wrong);
            }
            serde_json::to_value(all).unwrap_or_default()
        }),
    }))
}

/// How the connections of jobs, events and topics are; one each.
#[cfg(feature = "nats")]
type Others = Arc<Mutex<Vec<Box<dyn Fn() -> Standing + Send + Sync>>>>;

#[cfg(feature = "nats")]
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(feature = "nats")]
fn open_events(
    config: &Config,
    values: Arc<store::nats::Nats>,
    others: Others,
) -> Result<OpenEvents, Failure> {
    let options = options(config).map_err(|f| Failure::new(f.to_string()))?;
    Ok(Box::new(move |copy, news| {
        let events = store::nats::Events::open(&options, values.clone(), copy, news)?;
        let events = Arc::new(events);
        lock(&others).push(Box::new(events.stander()));
        Ok(Events {
            following: shown(&events, |e| e.following()),
            store: events,
        })
    }))
}

#[cfg(feature = "nats")]
fn open_topics(config: &Config, others: Others) -> Result<OpenTopics, Failure> {
    let options = options(config).map_err(|f| Failure::new(f.to_string()))?;
    Ok(Box::new(move |copy, news| {
        let topics = Arc::new(store::nats::Topics::open(&options, copy, news)?);
        lock(&others).push(Box::new(topics.stander()));
        Ok(Topics {
            following: shown(&topics, |t| t.following()),
            store: topics,
        })
    }))
}

/// How it stands with a copy, for as long as it is open; null from then on.
#[cfg(feature = "nats")]
fn shown<T: Send + Sync + 'static>(
    of: &Arc<T>,
    now: fn(&T) -> store::nats::Following,
) -> Arc<dyn Fn() -> Value + Send + Sync> {
    let of = Arc::downgrade(of);
    Arc::new(move || serde_json::to_value(of.upgrade().map(|t| now(&t))).unwrap_or_default())
}

#[cfg(not(feature = "nats"))]
pub fn open(_config: &Config) -> Result<Option<Durable>, Failure> {
    Ok(None)
}
