//! The console as browsers and the API's clients see it.

mod access;
mod changes;
mod common;
mod pages;
