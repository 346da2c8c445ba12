//! Tenants and users: their counts come at once and the windows late, so counts wait for those.

use ::cost::{Askers, Slot, charge};
use base::RouteInfo;
use gateway::request::identity::charges::{Charge, Who};
use std::collections::{BTreeMap, VecDeque};

/// Turns that counts wait: windows close ten seconds late.
const TURNS: usize = 2;

/// Counts of the last turns, the oldest first.
#[derive(Default)]
pub struct Waiting(VecDeque<Vec<Charge>>);

impl Waiting {
    /// Takes those of this turn, and gives those that have waited.
    pub fn next(&mut self, charges: Vec<Charge>) -> Vec<Charge> {
        self.0.push_back(charges);
        match self.0.len() > TURNS {
            true => self.0.pop_front().unwrap_or_default(),
            false => Vec::new(),
        }
    }
}

/// Says in the slot what each of them used.
pub fn name(slot: &mut Slot, charges: &[Charge], routes: &[RouteInfo]) {
    slot.tenants = of(slot, charges, Who::Tenant, routes);
    slot.users = of(slot, charges, Who::User, routes);
}

fn of(slot: &Slot, charges: &[Charge], who: Who, routes: &[RouteInfo]) -> BTreeMap<String, Askers> {
    let mut names: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for c in charges.iter().filter(|c| c.who == who) {
        if let Some(route) = c.route.get().and_then(|r| routes.get(r)) {
            let share = c.count as f64 / c.of.max(1) as f64;
            names.entry(&c.name).or_default().push((&route.name, share));
        }
    }
    let all = names.into_iter();
    all.map(|(name, parts)| (name.to_owned(), charge(slot, parts.into_iter())))
        .collect()
}
