//! The API of topics: services publish events, pull those of their subscriptions, and read streams of them.
//!
//! `ask` reads a request's path, `publish` takes events in, `fan_out` is what an event becomes in the queue (the gateway publishes, too), `pull` lends and ends them, `stream` is server-sent events, `say` writes
//! answers. What is pushed, the gateway delivers: it leases from the same queue.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod ask;
pub mod fan_out;
mod publish;
mod pull;
mod say;
mod stream;

pub use say::{Answer, Payload};

use arc_swap::ArcSwap;
use ask::What;
use config::Config;
use config::sections::{Receiver, Subscription, Topic};
use http::request::Parts as Head;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use say::problem;
use std::sync::Arc;
use std::time::Duration;
use store::Broker;
use tokio::sync::{Semaphore, watch};

/// Where it is.
pub const PATH: &str = "/v1/topics/";
/// Requests that wait for events, and streams, at once.
const WAITING: usize = 512;
/// Longest time for all of a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the API gets from its surroundings.
pub struct Parts {
    /// `None`: the queue is not open now.
    pub lent: Box<dyn Fn() -> Option<Arc<dyn Broker>> + Send + Sync>,
    pub config: Arc<ArcSwap<Config>>,
    /// Milliseconds since the Unix epoch, on the clock by which the queue is leased.
    pub now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Counts publications, whoever makes them.
    pub news: watch::Sender<u64>,
    /// Tells whoever pushes that something is due.
    pub wake: Box<dyn Fn() + Send + Sync>,
}

pub struct Api {
    parts: Parts,
    waiting: Arc<Semaphore>,
}

impl Api {
    pub fn new(parts: Parts) -> Arc<Api> {
        Arc::new(Api {
            parts,
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// To a request for a path below [`PATH`]; who asks has been looked at.
    pub async fn answer(self: &Arc<Api>, head: Head, body: Incoming) -> Answer {
        let answered = self.answered(head, body).await;
        answered.unwrap_or_else(|answer| answer)
    }

    async fn answered(self: &Arc<Api>, head: Head, body: Incoming) -> Result<Answer, Answer> {
        let (topic, what) = ask::of(&head.method, head.uri.path())?;
        let topic = self.topic(topic)?;
        match what {
            What::Publish => {
                let body = read(body, publish::most(&topic)).await?;
                publish::publish(self, &topic, &head, body).await
            }
            What::Stream(name) => {
                let subscription = subscription(&topic, name, &Receiver::Stream)?;
                stream::stream(self.clone(), &topic, subscription, &head).await
            }
            What::Pull(name, deed) => {
                let subscription = subscription(&topic, name, &Receiver::Pull)?;
                let body = read(body, pull::MOST).await?;
                pull::act(self, &topic, &subscription, deed, &body).await
            }
        }
    }

    fn topic(&self, name: &str) -> Result<Topic, Answer> {
        let config = self.parts.config.load();
        let found = config.topics.iter().find(|t| t.name == name);
        found.cloned().ok_or_else(|| {
            let what = format!("there is no topic `{}`", name.escape_debug());
            problem(404, "topic-unknown", &what)
        })
    }

    fn store(&self) -> Result<Arc<dyn Broker>, Answer> {
        (self.parts.lent)().ok_or_else(|| {
            problem(
                503,
                "topic-store",
                "the queue of events is not open; try again",
            )
        })
    }

    fn now_ms(&self) -> u64 {
        (self.parts.now_ms)()
    }
}

fn subscription(topic: &Topic, name: &str, to: &Receiver) -> Result<Subscription, Answer> {
    let found = topic.subscriptions.iter().find(|s| s.name == name);
    let Some(found) = found else {
        let what = format!(
            "`{}` has no subscription `{}`",
            topic.name,
            name.escape_debug()
        );
        return Err(problem(404, "subscription-unknown", &what));
    };
    match found.to == *to {
        true => Ok(found.clone()),
        false => Err(problem(
            409,
            "subscription-kind",
            "this subscription does not get its events this way; its config says how",
        )),
    }
}

async fn read(body: Incoming, most: usize) -> Result<Vec<u8>, Answer> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            let what = format!("a request has at most {most} bytes here");
            Err(problem(413, "topic-size", &what))
        }
        Ok(Err(e)) => Err(problem(
            400,
            "topic-request",
            &format!("the body broke off: {e}"),
        )),
        Err(_) => Err(problem(408, "topic-request", "the body came too slowly")),
    }
}
