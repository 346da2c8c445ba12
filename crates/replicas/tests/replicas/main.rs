//! Real PostgreSQL: a primary and two replicas that are 40 ms late, through all that may happen to them.

#[path = "../../../gateway/tests/gateway/common/mod.rs"]
mod common;
mod failover;
mod history;
mod levels;
mod measure;
mod stage;
