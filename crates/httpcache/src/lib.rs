//! What heads say about caching: a shared cache as RFC 9111 describes it, with stale answers while one is fetched anew
//! (RFC 5861), `Cache-Status` (RFC 9211), targeted control (RFC 9213) and groups (RFC 9875). Pure: no I/O, and times are arguments.
//!
//! `core` decides whether a new response may be stored, `reuse` whether a stored one may answer, `condition` and `range`
//! what of it; `lines` are heads as they are stored. The store and the gate are in `gateway/src/request/cache`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod condition;
pub mod control;
pub mod core;
pub mod date;
pub mod lines;
pub mod range;
pub mod reuse;
pub mod status;
pub mod targeted;
#[cfg(test)]
mod tests;
pub mod vary;
