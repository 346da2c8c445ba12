//! The demand model: what each route costs on each resource, and what follows from it.
//! Pure: no clock, no I/O, no async. The same history and seed give the same answer.

pub mod fit;
pub mod loadline;
pub mod twin;

pub use fit::Fit;
