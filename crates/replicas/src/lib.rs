//! Asks databases with replicas how far they are, off the traffic threads, and tells the gateway.
//!
//! `watch` starts a `group` for every replication that the config has; a group asks each of its databases by a `database` of its
//! own, so that one that hangs holds up no other, and answers requests that want to know where the primary is now. `sql` is what
//! is asked, `shown` how it stands for people.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod database;
mod group;
mod shown;
mod sql;
mod watch;

pub use shown::{metrics, shown};
pub use watch::start;
