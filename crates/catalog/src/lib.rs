//! Teams, services, on-call, runbooks and incidents as files in git, read with their positions, and the rules that
//! compare what they declare with what is observed. Reads Backstage's `catalog-info.yaml` and CODEOWNERS, too.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod backstage;
mod catalog;
pub mod codeowners;
mod fields;
mod files;
pub mod incident;
pub mod lint;
mod markdown;
pub mod observed;
pub mod oncall;
mod place;
mod response;
pub mod runbook;
pub mod service;
pub mod team;
mod who;

pub use catalog::{Catalog, FOLDER};
pub use fields::Named;
pub use files::{Text, one as read_file};
pub use observed::Observed;
pub use place::{Loaded, decisions, files_of, folder, load};
pub use response::{Asked, Response};
pub use who::Who;
