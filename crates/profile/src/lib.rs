//! What the processes of a service do with their processor, and for which routes: samples of their stacks from the kernel,
//! functions by name, and each function's time given to the requests that were in flight when it was seen.
//!
//! `kernel` and `names` ask the kernel and read files; `split` and `report` are pure.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod kernel;
pub mod names;
pub mod report;
pub mod split;

pub use kernel::{RATE, Refused, SAMPLES as MOST, Taken, now, take};
pub use names::{Function, functions};
pub use report::{FunctionCost, Profile, RouteCost, folded, profile};
pub use split::{Flight, Flights};
