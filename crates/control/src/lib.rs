//! Control: what turns measurements into changes and takes changes back.
//! `ledger` remembers, `generations` composes and publishes, `trial` decides, `loops` run, `drivers` act,
//! `spread` is how nodes follow each other, `lately` sums up, `policy` says what has to wait, `api` answers.
//! It meets the data path in a generation and learned numbers (down) and a window (up), and in nothing else.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod api;
pub mod drivers;
pub mod generations;
pub mod lately;
pub mod ledger;
pub mod loops;
pub mod policy;
pub mod ports;
pub mod proposal;
pub mod spread;
pub mod trial;
pub mod words;

pub use api::{Control, Parts};
pub use proposal::{Change, Effect, Proposal};
