//! State that gates keep for services and clients: which store it is in, and what must be done beside the path.
//!
//! A store is lent by whoever owns the gateway, and may be taken back. It is only seen as a [`store::Kv`], whose reads
//! may block: gates do them on other threads (`read`).

mod place;
mod tidy;

pub use place::{Lent, State};
pub use tidy::start;
