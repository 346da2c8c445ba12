//! What the model found, as text for people. Pure: values in, text out.

pub mod answer;

pub use answer::{Answer, answer};
