//! Subscriptions to which events are pushed: to services over the path, as jobs are, and to webhooks outside.
//!
//! Their events wait in the queue, in a lane for each subscription, and `jobs::deliver` leases them. Pure: `request` (an event as
//! a request), `guard` (which addresses may be called), `sign` (Standard Webhooks), `outcome` (what an answer means).
//! `call` does the calling, `health` knows who has failed for how long.

pub mod call;
pub mod guard;
pub mod health;
pub mod outcome;
pub mod push;
pub mod request;
pub mod sign;

use crate::jobs::forget::{AT_ONCE, TURNS};
use crate::snapshot::Route;
use config::sections::{Async, Receiver, Subscription, Topic, of_lane};
use std::sync::Arc;
use std::time::Duration;
use store::{Broker, in_parts};

/// A subscription that events are pushed to.
pub struct Subscriber {
    pub topic: Arc<str>,
    /// Where its events wait, and the name of its route.
    pub lane: Arc<str>,
    pub config: Subscription,
    /// What is known of jobs holds for it.
    pub rules: Arc<Async>,
    /// Over which the service is reached; `None`: it is a webhook.
    pub route: Option<Arc<Route>>,
}

impl Subscriber {
    /// `route` makes the way to a service.
    pub fn all(
        topics: &[Topic],
        mut route: impl FnMut(&config::Route) -> Arc<Route>,
    ) -> Vec<Arc<Subscriber>> {
        let mut all = Vec::new();
        for topic in topics {
            for s in topic.subscriptions.iter().filter(|s| s.is_pushed()) {
                let lane = s.lane(&topic.name);
                let way = match &s.to {
                    Receiver::Service { service, .. } => Some(config::Route {
                        to: service.clone(),
                        ..config::Route::named(&lane)
                    }),
                    _ => None,
                };
                all.push(Arc::new(Subscriber {
                    topic: topic.name.as_str().into(),
                    lane: lane.into(),
                    rules: Arc::new(rules(s)),
                    route: way.map(|r| route(&r)),
                    config: s.clone(),
                }));
            }
        }
        all
    }

    /// Most attempts per second; `None`: nobody asks for fewer.
    pub fn rate(&self) -> Option<f64> {
        match &self.config.to {
            Receiver::Webhook(endpoint) => endpoint.rate,
            _ => None,
        }
    }
}

/// Ends events whose time has come, whether somebody takes them or not, and forgets what nobody waits for. A lane whose
/// subscription is gone from the config keeps its events for their time: it may come back. `unknown`: how long those of a topic are kept that
/// is not in the config, which other nodes may have already.
///
/// # Errors
/// When the store cannot be written.
pub async fn forget(
    store: &Arc<dyn Broker>,
    topics: &[Topic],
    unknown: Duration,
    now_ms: u64,
) -> Result<(), store::Error> {
    let reader = store.clone();
    let read = move || -> Result<_, store::Error> { Ok((reader.lanes()?, reader.topics()?)) };
    let known = tokio::task::spawn_blocking(read).await;
    let (lanes, known) = known.unwrap_or_else(|e| Err(store::Error::Stopped(e.to_string())))?;
    for lane in lanes.iter().filter(|l| of_lane(&l.name).is_some()) {
        if lane.waiting > 0 {
            let expire = |most| store.expire(&lane.name, now_ms, most);
            in_parts(AT_ONCE, TURNS, expire).await?;
        }
    }
    for topic in known.iter().filter(|t| t.events > 0) {
        let rules = topics.iter().find(|t| t.name == topic.name);
        let keep = rules.map_or(unknown, |t| t.keep.max(t.dedup));
        let before = now_ms.saturating_sub(keep.as_millis() as u64);
        let trim = |most| store.trim(&topic.name, before, most);
        in_parts(AT_ONCE, TURNS, trim).await?;
    }
    Ok(())
}

fn rules(s: &Subscription) -> Async {
    Async {
        concurrency: s.concurrency,
        attempts: s.attempts,
        backoff: s.backoff,
        timeout: s.timeout,
        ttl: s.ttl,
        ..Async::default()
    }
}
