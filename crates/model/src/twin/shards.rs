//! Shards: resources whose names differ in a number, of which a request uses one. One after the other, they would take a request
//! through all of them.

use super::system::System;
use crate::fit::Fit;
use crate::pattern::unnumbered;
use base::{Discipline, Grade};
use std::collections::BTreeMap;

/// More are taken for what they look like one by one.
const MOST: usize = 16;
/// A use by a share `p` of the requests varies by `1/p - 1` or more (squared, relative). So much of it has to be seen: who uses all of
/// them a little varies less.
const VARIES: f64 = 0.8;

/// `(resource, share of the requests that use it)` for each group of shards of which a request of the route uses one.
pub fn of(s: &System, fit: &Fit, r: usize) -> Vec<Vec<(usize, f64)>> {
    let mut groups: BTreeMap<(Option<&str>, &str), Vec<usize>> = BTreeMap::new();
    for (k, res) in fit.resources.iter().enumerate() {
        let d = &fit.demand[r][k];
        let told = d.mean > 0.0 && d.grade == Grade::Direct && s.touches[r][k];
        let queued = [Discipline::Slots, Discipline::Fcfs].contains(&res.info.discipline);
        let plain = s.inside[r][k].is_none() && !s.around[r].contains(&k);
        if let Some(base) = unnumbered(&res.info.name).filter(|_| told && queued && plain) {
            let service = res.info.service.as_deref();
            groups.entry((service, base)).or_default().push(k);
        }
    }
    let one = |all: Vec<usize>| {
        let whole: f64 = all.iter().map(|&k| fit.demand[r][k].mean).sum();
        let share = |k: usize| fit.demand[r][k].mean / whole;
        let varies = |&k: &usize| s.scv[r][k] >= VARIES * (1.0 / share(k) - 1.0);
        let several = (2..=MOST).contains(&all.len()) && all.iter().all(varies);
        several.then(|| all.into_iter().map(|k| (k, share(k))).collect())
    };
    groups.into_values().filter_map(one).collect()
}
