//! The configuration: a document with source positions, its sections, checks, generations, overlays.

pub mod generation;
pub mod sections;

pub use generation::{Generation, Op, Overlay};
pub use sections::Config;
