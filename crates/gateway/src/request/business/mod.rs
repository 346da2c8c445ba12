//! Numbers of the business that a route's answers tell: counted as a service gave them, beside the path.

mod core;
mod counts;
mod gate;
mod json;

pub use counts::gauges;
pub use gate::make;
