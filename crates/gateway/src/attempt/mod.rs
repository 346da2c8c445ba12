//! The gates of the attempt ring: passed once for every try of a request against an instance.

pub mod balance;
pub mod deadline;
pub mod limit;
pub mod split;
