//! The instances that answer: what all threads know of them, their health, and Plimsoll's connections to them.

pub mod health;
pub mod instance;

pub use instance::{Instance, Service};
