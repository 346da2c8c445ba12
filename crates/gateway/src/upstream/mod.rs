//! The instances that answer: their health, and Plimsoll's connections to them.

pub mod health;
