//! `async`: a request that its client need not wait for becomes a job, on disk before it is answered 202.

pub mod core;
mod gate;

pub use gate::{accepted, make, secret};
