//! Answers get smaller on their way out: gzip, br or zstd, by what the client accepts and what the answer is. What the
//! cache stores is already compressed, as a variant.

mod coder;
mod core;
mod gate;
mod link;

pub use self::gate::make;
pub use self::link::{Bytes, Link};
