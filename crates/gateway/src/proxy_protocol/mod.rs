//! The PROXY protocol: a load balancer that passes bytes through says, before the first of them, who its client is.
//! In: versions 1 and 2, from the peers that the configuration names. Out: version 2, to the instances of a service.

mod core;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use self::core::{Bad, Ends, Parsed, parse};
pub(crate) use read::read;
pub(crate) use rules::Rules;
pub use v2::{LONGEST, Told};
