//! The instances that answer: what all threads know of them, their health, and Plimsoll's connections to them.

pub mod ask;
pub mod call;
pub mod check;
pub mod connect;
pub mod discover;
mod grpc_health;
pub mod health;
pub mod instance;
pub mod link;
pub mod pool;
pub mod private;

pub use instance::{Instance, Service};
