//! `consistency`: what a session has written and seen, carried by its client, so that it never reads anything older.
//!
//! The database of each attempt is chosen by `attempt/replica`; here the client's cookie is read before, and after the answer
//! it is known how far the session has come: told by the service, or sampled from the primary.

mod gate;

pub use gate::make;
