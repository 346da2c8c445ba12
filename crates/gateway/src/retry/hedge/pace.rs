//! What one traffic thread knows of its hedged routes: how long answers take, and what the cap has left.

use super::{Cap, Latency};
use base::RouteIx;
use std::cell::RefCell;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Pace {
    pub latency: Latency,
    pub cap: Cap,
}

/// By route; as many as the configuration has ever hedged. Lives on across reloads.
#[derive(Default)]
pub struct Paces(RefCell<HashMap<RouteIx, Pace>>);

impl Paces {
    pub fn with<T>(&self, route: RouteIx, look: impl FnOnce(&mut Pace) -> T) -> T {
        look(self.0.borrow_mut().entry(route).or_default())
    }
}
