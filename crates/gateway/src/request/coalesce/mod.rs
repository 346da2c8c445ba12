//! Equal requests at once are one request to the instance: the first leads, the others wait for what the cache stores.

mod core;
mod flights;
mod gate;

pub use self::flights::{Flights, Lead, Role, Told};
pub use self::gate::make;
