//! Measurements against peers, side by side in one run. Results go to `bench/*.md`.

pub mod drive;
pub mod peers;
pub mod proxy;
pub mod stats;
