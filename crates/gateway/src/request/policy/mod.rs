//! What browsers and CDNs are told about keeping a route's answers, whatever the service says.

mod core;
mod gate;

pub use self::core::Policy;
pub use self::gate::make;
