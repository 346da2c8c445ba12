//! What the gateway remembers for its clients and services, through sockets: jobs, and keys of requests that are done once.

mod idempotency;
mod jobs;
mod publish;
mod sessions;
