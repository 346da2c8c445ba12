//! `session`: what a service wants to remember of a client between requests, in the gateway's store, so that every instance
//! finds it.
//!
//! The client has an id in a cookie and nothing else; the service gets the data as a request header, and changes it with
//! response headers that the client never sees. `cookie` and `record` are the two forms, `core` decides, `change` carries a
//! change out by compare-and-set, `seal` makes the copy that outlasts a store, `gate` is the adapter.

mod change;
mod cookie;
pub mod core;
mod gate;
mod record;
mod seal;

pub use gate::{PREFIX, make};
