//! One table per section.

use super::*;
use crate::Secret;

/// A key.
macro_rules! key {
    ($key:literal = $default:literal, $kind:expr, $example:literal, $help:literal, $set:expr) => {
        Field {
            key: $key,
            kind: $kind,
            required: false,
            default: $default,
            help: $help,
            example: $example,
            set: $set,
        }
    };
    ($key:literal, $kind:expr, $example:literal, $help:literal, $set:expr) => {
        Field {
            key: $key,
            kind: $kind,
            required: false,
            default: "",
            help: $help,
            example: $example,
            set: $set,
        }
    };
    (required $key:literal, $kind:expr, $example:literal, $help:literal, $set:expr) => {
        Field {
            key: $key,
            kind: $kind,
            required: true,
            default: "",
            help: $help,
            example: $example,
            set: $set,
        }
    };
}

/// Sets a plain (not optional) field when the value could be read.
macro_rules! put {
    ($place:expr, $value:expr) => {
        if let Some(v) = $value {
            $place = v;
        }
    };
}

/// A secret that stands elsewhere: what lets somebody in does not belong into a file that many read.
fn secret_elsewhere(n: &Node, cx: &mut Cx) -> Option<Secret> {
    let secret = cx.secret(n);
    if matches!(secret, Some(Secret::Text(_))) {
        cx.error(n, "config-secret", "a secret stands in the config itself")
            .help =
            "write it to a file that only Plimsoll can read, and give `{ file: PATH }`".into();
    }
    secret
}

mod acme;
mod agents;
mod alerts;
mod asynchronous;
mod balance;
mod breaker;
mod business;
mod cache;
mod compress;
mod console;
mod cron;
mod degrade;
mod engines;
mod error_budget;
mod export;
mod fault;
mod hedge;
mod history;
mod http2;
mod idempotency;
mod identity;
mod incidents;
mod listen;
mod mirror;
mod operate;
mod otlp;
mod publish;
mod purge_hook;
mod quota;
mod rate;
mod replication;
mod resource;
mod route;
mod scrape;
mod service;
mod session;
mod slo;
mod state;
mod stateful;
mod streams;
mod tls;
mod top;
mod topics;
mod traces;

pub use acme::ACME;
pub use agents::AGENTS;
pub use alerts::{ALERTMANAGER, ALERTS, PAGERDUTY, WEBHOOK};
pub use asynchronous::ASYNC;
pub use balance::{BALANCE, INSTANCE, Listed};
pub use breaker::BREAKER;
pub use business::MEASURE;
pub use cache::{CACHE, CACHE_CONTROL, CACHE_DISK, CACHE_SHARED};
pub use compress::COMPRESS;
pub use console::{CONSOLE, CONSOLE_TLS, CONSOLE_USER};
pub use cron::CRON;
pub use degrade::{COALESCE, DEGRADE, STATIC};
pub use engines::ENGINES;
pub use error_budget::ERROR_BUDGET;
pub use export::{EXPORT, EXPORT_OTLP};
pub use fault::FAULT;
pub use hedge::HEDGE;
pub use history::HISTORY;
pub use http2::HTTP2;
pub use idempotency::IDEMPOTENCY;
pub use identity::{IDENTITY, JWT, TENANT};
pub use incidents::INCIDENTS;
pub use listen::PROXY_PROTOCOL;
pub use mirror::MIRROR;
pub use operate::{ACCESS_LOG, UPGRADE};
pub use otlp::OTLP;
pub use publish::PUBLISH;
pub use purge_hook::PURGE_HOOK;
pub use quota::QUOTA;
pub use rate::RATE;
pub use replication::{DATABASE, READS, REPLICATION};
pub use resource::{REQUEST, RESOURCE};
pub use route::{DEADLINE, MATCH, RETRY, ROUTE};
pub use scrape::SCRAPE;
pub use service::{BULKHEAD, HEALTH, POOL, SERVICE, SHED, START};
pub use session::SESSION;
pub use slo::{SLO, WrittenSlo};
pub use state::{STATE, STATE_STORE};
pub use stateful::STATEFUL;
pub use streams::{AWAITED, OUTBOX, PROJECTION, STREAMS};
pub use tls::{CERTIFICATE, CLIENTS, SERVICE_TLS, TLS};
pub use top::{LIMITS, PROBES, TOP};
pub use topics::{ENDPOINT, FILTER, SUBSCRIPTION, Subscribed, TOPIC};
pub use traces::TRACES;
