//! The configuration: a document with source positions, its sections, checks, generations, overlays.
//!
//! Text becomes a [`Document`] (a tree in which every key and value knows its place), tables in `schema` say
//! which keys each section has, `check` decodes it and reports everything that is wrong at once, and
//! `compose` lays overlays on it to make a [`Generation`].

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod address;
pub mod check;
mod cidr;
pub mod compose;
mod decode;
pub mod document;
pub mod edit;
pub mod generation;
mod nearest;
pub mod patch;
mod pattern;
pub mod report;
mod resolve;
pub mod schema;
mod secret;
pub mod sections;
pub mod selector;
mod template;

pub use address::Address;
pub use check::{Checked, check, check_text};
pub use cidr::Cidr;
pub use compose::{Composed, compose};
pub use document::Document;
pub use generation::{Canary, Expiry, Generation, Op, Overlay};
pub use nearest::nearest;
pub use patch::{Change, diff, overlay_for, parse_patch};
pub use pattern::Pattern;
pub use secret::{Secret, mask};
pub use sections::{Config, Match, PathTemplate, Resource, Route, Segment, Service};
