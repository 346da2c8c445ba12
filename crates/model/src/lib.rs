//! The demand model: what each route costs on each resource, and what follows from it.
//! Pure: no clock, no I/O, no async. The same history and seed give the same answer.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod advice;
pub mod alike;
pub mod answer;
pub mod baseline;
pub mod capacity;
pub mod closure;
pub mod constraint;
pub mod cost;
pub mod demand;
pub mod diagnose;
pub mod fit;
pub mod forecast;
pub mod loadline;
pub mod moves;
pub mod pattern;
pub mod peak;
pub mod protect;
pub mod rank;
pub mod turns;
pub mod twin;
pub mod verify;
pub mod waiters;
pub mod watch;
pub mod whatif;

pub use answer::Answer;
pub use fit::Fit;
