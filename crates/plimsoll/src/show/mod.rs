//! What the model and the load generator found, as text for people. Pure: values in, text out.

pub mod advice;
pub mod answer;
pub mod cost;
pub mod diagnosis;
pub mod forecast;
pub mod lines;
pub mod load;
pub mod page;
pub mod profile;
pub mod record;
pub mod routes;
pub mod trial;
pub mod unit;
pub mod whatif;

pub use base::number;
pub use model::Answer;

#[cfg(test)]
mod tests;
