//! The pages, one line per member of the list: a folder for each.

mod advice;
mod catalog;
mod cost;
mod history;
mod incidents;
mod line;
pub mod parts;
mod routes;
mod shell;
pub mod signin;
mod slos;
mod traces;

pub use shell::not_found;

use crate::live::Frame;
use crate::{Served, State};
use axum::Router;
use serde::Deserialize;

/// A page, and those below it.
pub struct Page {
    /// Where it is; pages below it begin with the same.
    pub path: &'static str,
    /// As the navigation names it.
    pub title: &'static str,
    pub routes: fn() -> Router<Served>,
    /// What changes while it is shown.
    pub live: fn(&State, &Ask) -> Frame,
}

/// In the order of the navigation.
pub static PAGES: [&Page; 9] = [
    &line::PAGE,
    &routes::PAGE,
    &traces::PAGE,
    &slos::PAGE,
    &cost::PAGE,
    &advice::PAGE,
    &incidents::PAGE,
    &catalog::PAGE,
    &history::PAGE,
];

/// What a page shows, as its stream of live values is told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// Path of the member of [`PAGES`].
    pub page: String,
    /// The one thing that it is about, such as a route.
    pub of: String,
    /// Seconds that its charts show.
    pub last: u64,
}

pub fn router() -> Router<Served> {
    let add = |router: Router<Served>, page: &&Page| router.merge((page.routes)());
    PAGES.iter().fold(Router::new(), add)
}

/// The frame of the page that is asked for; empty for one that there is not.
pub fn live(s: &State, ask: &Ask) -> Frame {
    let page = PAGES.iter().find(|p| p.path == ask.page);
    let mut frame = page.map_or_else(Frame::default, |p| (p.live)(s, ask));
    frame.version = shell::versioned(&frame.version, slos::fires(s));
    frame
}
