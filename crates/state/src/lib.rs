//! The state API: `GET`, `PUT` and `DELETE /v1/state/{store}/{key}` for services, on a listener of its own.
//!
//! `ask` reads a request (pure), `table` does it with a [`store::Kv`], `say` writes the answer (pure), `serve` is the listener.

mod ask;
mod say;
mod serve;
mod table;

pub use serve::{Lent, Options, Receiver};

/// What all values begin with in the store.
pub const PREFIX: &str = "svc/";
