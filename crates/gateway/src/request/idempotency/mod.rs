//! `idempotency`: a request with an `Idempotency-Key` is done once; whoever sends it again gets the same answer
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! The claim on a key is on disk before the service is asked. `core` decides, `record` is what is stored, `claim` is a key
//! that is held, `gate` stands in the ring twice: before `async` for what becomes a job, and behind `shed` for the rest.

mod claim;
pub mod core;
mod gate;
mod record;

pub use claim::{Claim, Claims};
pub use gate::{PREFIX, make, make_for_jobs};
