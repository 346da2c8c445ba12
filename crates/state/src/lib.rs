//! The listener for services: `GET`, `PUT` and `DELETE /v1/state/{store}/{key}`, and the API of topics (`topics`) beside it.
//!
//! `ask` reads a request (pure), `table` does it with a [`store::Kv`], `say` writes the answer (pure), `serve` is the listener.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod ask;
mod say;
mod serve;
mod table;

pub use serve::{Lent, Options, Receiver};

/// What all values begin with in the store.
pub const PREFIX: &str = "svc/";
