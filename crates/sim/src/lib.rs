//! A made-up world with known true demands, for tests of the model and control.
//! Requests walk through processors, locks, disks, slots, delays and other routes; what a probe and a gateway
//! would have seen comes out as `base::History`. Deterministic by seed.

mod cells;
mod engine;
mod generate;
mod job;
pub mod population;
mod record;
mod stations;
mod traffic;
pub mod truth;
mod world;

pub use generate::{Plan, Planted, wide};
pub use world::{Canary, Load, Route, See, Seen, Station, StationKind, Step, TRIES, World};
