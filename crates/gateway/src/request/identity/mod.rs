//! Who asks, and how much it matters: read once from headers, tokens or certificates, for the gates that treat requests
//! differently.

pub mod charges;
mod core;
mod gate;
pub mod jwt;
mod known;

pub use self::gate::make;
pub use self::known::{OTHER, Requests, Tenant, check};
