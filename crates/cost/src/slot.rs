//! What a stretch of time cost, in dollars that are not yet rounded. Slots add up.
//! Bounded by the config: a part for each of its routes in each of its prices.

use crate::price::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A route's part of one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Resource-seconds that it used; 0 where that is not measured.
    pub seconds: f64,
    pub dollars: f64,
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub kind: Kind,
    pub dollars: f64,
    /// Used, but by no request.
    pub background: f64,
    pub routes: BTreeMap<String, Part>,
    /// Use is known; else requests bear all of it alike.
    pub measured: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Seconds since the Unix epoch.
    pub start_s: u64,
    /// How much of its time was watched.
    pub seconds: f64,
    /// By route.
    pub requests: BTreeMap<String, f64>,
    /// By resource.
    pub items: BTreeMap<String, Item>,
    /// What the requests of the dearest tenants used, and of the dearest users.
    #[serde(default)]
    pub tenants: BTreeMap<String, Askers>,
    #[serde(default)]
    pub users: BTreeMap<String, Askers>,
}

/// Requests of one tenant or user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Askers {
    pub requests: f64,
    pub dollars: f64,
}

/// Tenants and users that a slot keeps; the others are `other`.
pub const MAX_ASKERS: usize = 100;

/// Adds to those that are kept; of too many the cheapest go.
pub fn add_askers(mine: &mut BTreeMap<String, Askers>, other: &BTreeMap<String, Askers>) {
    for (name, a) in other {
        let sum = mine.entry(name.clone()).or_default();
        sum.requests += a.requests;
        sum.dollars += a.dollars;
    }
    if mine.len() > MAX_ASKERS {
        let mut all: Vec<(String, Askers)> = std::mem::take(mine).into_iter().collect();
        all.sort_by(|a, b| b.1.dollars.total_cmp(&a.1.dollars));
        all.truncate(MAX_ASKERS);
        *mine = all.into_iter().collect();
    }
}

impl Item {
    pub fn used(&self) -> f64 {
        self.routes.values().map(|p| p.dollars).sum()
    }

    /// What nothing used.
    pub fn idle(&self) -> f64 {
        (self.dollars - self.background - self.used()).max(0.0)
    }

    fn add(&mut self, other: &Item) {
        self.dollars += other.dollars;
        self.background += other.background;
        self.measured &= other.measured;
        for (route, part) in &other.routes {
            let mine = self.routes.entry(route.clone()).or_default();
            mine.seconds += part.seconds;
            mine.dollars += part.dollars;
        }
    }
}

impl Slot {
    pub fn add(&mut self, other: &Slot) {
        self.seconds += other.seconds;
        add_askers(&mut self.tenants, &other.tenants);
        add_askers(&mut self.users, &other.users);
        for (route, n) in &other.requests {
            *self.requests.entry(route.clone()).or_default() += n;
        }
        for (resource, item) in &other.items {
            match self.items.get_mut(resource) {
                Some(mine) => mine.add(item),
                None => drop(self.items.insert(resource.clone(), item.clone())),
            }
        }
    }

    pub fn all_requests(&self) -> f64 {
        self.requests.values().sum()
    }

    pub fn requests_of(&self, route: &str) -> f64 {
        self.requests.get(route).copied().unwrap_or(0.0)
    }

    pub fn dollars(&self) -> f64 {
        self.items.values().map(|i| i.dollars).sum()
    }

    pub fn used(&self) -> f64 {
        self.items.values().map(Item::used).sum()
    }

    /// What a route used, over all prices.
    pub fn used_by(&self, route: &str) -> f64 {
        let parts = self.items.values().filter_map(|i| i.routes.get(route));
        parts.map(|p| p.dollars).sum()
    }
}
