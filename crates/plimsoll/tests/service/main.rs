//! Plimsoll as a service: the real binary under load, replaced, told to stop, watched and handed its sockets.

mod agents;
mod alerts;
mod catalog;
mod console;
mod contract;
mod cost;
mod cron;
mod disk_full;
#[cfg(feature = "nats")]
mod durable;
mod encrypted;
#[cfg(feature = "redis")]
mod engines;
mod export;
mod history;
mod jobs;
mod keys;
mod manager;
mod messages;
#[cfg(all(feature = "nats", feature = "redis"))]
mod partition;
mod profile;
mod purge;
mod quotas;
mod reloads;
mod routes;
#[path = "../../../console/tests/console/common/schema.rs"]
mod schema;
#[cfg(feature = "redis")]
mod sessions;
#[cfg(feature = "redis")]
mod shared_cache;
mod sockets;
#[cfg(feature = "redis")]
mod spread;
mod stage;
mod streams;
mod topics;
mod traces;
mod upgrade;
