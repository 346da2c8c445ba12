//! The loops, what they write down and what they change. One executable, which is linked once.

mod common;
mod generations;
mod ledger;
mod policy;
mod process;
mod restart;
mod spread;
mod trials;
