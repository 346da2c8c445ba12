//! Topics: events that are published once and delivered to every subscription that takes them.

use crate::{Cidr, Secret};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    /// How much is held: events, and their bytes. Those that nobody waits for give way.
    pub events: u64,
    pub bytes: u64,
    /// How long an event can be read again.
    pub keep: Duration,
    /// An event with the same source and id within this time is the same one.
    pub dedup: Duration,
    /// Largest data of one event, bytes.
    pub size: u64,
    pub subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub name: String,
    pub to: Receiver,
    /// `None`: it takes every event.
    pub filter: Option<Filter>,
    /// Of what is pushed.
    pub mode: EventMode,
    /// The attribute whose value orders events; `None`: they are in no order.
    pub order_by: Option<String>,
    /// An event that is not delivered by then is dead.
    pub ttl: Duration,
    /// Deliveries at once, at most.
    pub concurrency: u32,
    /// Of one attempt; of a pull: how long it is leased.
    pub timeout: Duration,
    pub attempts: u32,
    /// Before the second attempt; doubled for each further one, and drawn from zero to that.
    pub backoff: Duration,
}

/// Who gets the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Receiver {
    /// Instances of a service of this gateway.
    Service { service: String, path: String },
    /// Somebody outside.
    Webhook(Endpoint),
    /// Who asks for them.
    Pull,
    /// Who listens; nothing is kept for anybody.
    Stream,
}

/// An external address, told by Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// May itself let in whoever knows it.
    pub url: Option<Secret>,
    /// Each signs: the new one and the old one, while receivers change over.
    pub secrets: Vec<Secret>,
    /// Networks that may be reached though they are not public.
    pub allow: Vec<Cidr>,
    /// Most attempts per second; `None`: as fast as it answers.
    pub rate: Option<f64>,
    /// Before each attempt.
    pub retry: Vec<Duration>,
    /// What the endpoint must agree to be sent events from (CloudEvents' abuse protection); `None`: it is not asked.
    pub handshake: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventMode {
    /// Attributes in headers.
    Binary,
    /// Attributes and data in one JSON object.
    Structured,
}

/// Which events a subscription takes, by their attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// Each of these attributes is, begins or ends so.
    Exact(Vec<(String, String)>),
    Prefix(Vec<(String, String)>),
    Suffix(Vec<(String, String)>),
}

impl Topic {
    pub fn named(name: &str) -> Topic {
        Topic {
            name: name.to_owned(),
            events: 1_000_000,
            bytes: 1 << 30,
            keep: Duration::from_secs(24 * 3600),
            dedup: Duration::from_secs(600),
            size: 256 << 10,
            subscriptions: Vec::new(),
        }
    }
}

/// What lanes of subscriptions begin with in the queue; no route can be named so.
const LANES: &str = "topics/";

impl Subscription {
    pub fn named(name: &str) -> Subscription {
        Subscription {
            name: name.to_owned(),
            to: Receiver::Pull,
            filter: None,
            mode: EventMode::Binary,
            order_by: None,
            ttl: Duration::from_secs(3 * 24 * 3600),
            concurrency: 16,
            timeout: Duration::from_secs(30),
            attempts: 12,
            backoff: Duration::from_secs(1),
        }
    }

    /// Where its events wait in the queue.
    pub fn lane(&self, topic: &str) -> String {
        lane(topic, &self.name)
    }

    /// Whether events are kept for it until they are delivered.
    pub fn has_lane(&self) -> bool {
        self.to != Receiver::Stream
    }

    /// Whether events are sent to it.
    pub fn is_pushed(&self) -> bool {
        matches!(self.to, Receiver::Service { .. } | Receiver::Webhook(_))
    }
}

/// Where the events of a subscription wait in the queue.
pub fn lane(topic: &str, subscription: &str) -> String {
    format!("{LANES}{topic}/{subscription}")
}

/// Topic and subscription of a lane; `None`: it is the lane of a route.
pub fn of_lane(lane: &str) -> Option<(&str, &str)> {
    lane.strip_prefix(LANES)?.split_once('/')
}

impl Default for Endpoint {
    fn default() -> Self {
        const S: u64 = 1;
        const M: u64 = 60 * S;
        const H: u64 = 60 * M;
        let retry = [0, 5 * S, 5 * M, 30 * M, 2 * H, 5 * H, 10 * H, 10 * H];
        Endpoint {
            url: None,
            secrets: Vec::new(),
            allow: Vec::new(),
            rate: None,
            retry: retry.map(Duration::from_secs).into(),
            handshake: None,
        }
    }
}
