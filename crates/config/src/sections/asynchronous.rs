//! Requests that are answered before they are done.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A request becomes a job: durable before it is answered 202, delivered later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Async {
    pub when: When,
    /// Largest body of a request, bytes.
    pub body: u64,
    /// How much may wait: jobs, and their bytes.
    pub jobs: u64,
    pub bytes: u64,
    /// Deliveries at once, at most.
    pub concurrency: u32,
    pub attempts: u32,
    /// Before the second attempt; doubled for each further one, and drawn from zero to that.
    pub backoff: Duration,
    /// Of one attempt.
    pub timeout: Duration,
    /// A job that is not done by then is dead.
    pub ttl: Duration,
    /// How long results can be fetched.
    pub keep: Duration,
    /// The header whose value orders jobs, in lower case; `None`: they are in no order.
    pub order_by: Option<String>,
    pub on_dead: OnDead,
}

/// What becomes of those that are ordered behind a job that is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDead {
    Skip,
    /// They wait until it is redriven, discarded or forgotten.
    Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// `Prefer: respond-async`.
    Asked,
    Always,
}

impl Default for Async {
    fn default() -> Self {
        Async {
            when: When::Asked,
            body: 1 << 20,
            jobs: 100_000,
            bytes: 1 << 30,
            concurrency: 16,
            attempts: 12,
            backoff: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
            ttl: Duration::from_secs(24 * 3600),
            keep: Duration::from_secs(24 * 3600),
            order_by: None,
            on_dead: OnDead::Skip,
        }
    }
}
