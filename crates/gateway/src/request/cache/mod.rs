//! Answers safe requests from memory, and where the route says so from disk: a shared cache as RFC 9111 describes it, with stale answers while one is fetched
//! anew (RFC 5861), `Cache-Status` (RFC 9211), targeted control (RFC 9213) and groups (RFC 9875).
//!
//! Several nodes fill from each other through a second level that they have together (`second`).
//!
//! What heads say is the crate `httpcache`: its `reuse` decides whether a stored response may answer, its `core` whether a new
//! one may be stored; `entry` is a stored response and the answers that can be made of it, `store` holds them; `gate` is the adapter.

mod changes;
mod disk;
pub mod entry;
mod fill;
mod gate;
mod invalidate;
mod marks;
mod purge;
mod second;
mod shard;
mod shelf;
mod store;
#[cfg(test)]
mod tests;
mod update;
mod why;

pub use httpcache::lines::{Lines, is as is_named};
pub use httpcache::status::Said;
use httpcache::{condition, date, lines, range, status, targeted, vary};
pub use httpcache::{control, core, reuse};

pub use self::changes::{Changes, Tell};
pub use self::disk::{DiskGauge, Disks};
pub use self::entry::{Entry, Fit};
pub use self::gate::make;
pub use self::marks::Marks;
pub use self::purge::{Purge, What};
pub use self::second::{Second, SecondGauge};
pub use self::shelf::Shelf;
pub use self::store::{Counts, Found, Store};
pub use self::why::{Variant, Why, explain};
