//! The console as browsers and the API's clients see it.

mod access;
mod catalog;
mod changes;
mod common;
mod cost;
mod objectives;
mod pages;
mod prometheus;
mod traces;
