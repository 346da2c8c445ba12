//! The console as browsers and the API's clients see it.

mod changes;
mod common;
mod objectives;
mod pages;
