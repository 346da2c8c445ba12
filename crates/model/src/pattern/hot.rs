//! One instance of several, or one of several shards, gets far more than its part: a key that most ask for.

use super::{Pattern, Seen};
use base::{Grade, InstanceIx};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Times its even part from which the busiest instance holds the others' capacity back. A ring with bounded loads keeps below it
/// (Mirrokni, Thorup and Zadimoghaddam 2018).
pub const EXCESS: f64 = 1.25;
/// The same of shards, where no ring evens out: what is spread evenly then carries a fifth more, which is worth a change.
const SHARD: f64 = 1.2;
/// Standard errors by which a share must stand out from an even one.
const STANDS_OUT: f64 = 5.0;
/// Fewer requests, or seconds in which all were there, tell nothing.
const ENOUGH: f64 = 200.0;
const ENOUGH_S: u64 = 30;
/// A route that carries so much of what is too much there is named.
const ROUTE: f64 = 0.5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hot {
    pub service: String,
    /// The shard: one of several resources whose names differ in a number; `None`: an instance of the service.
    pub shard: Option<String>,
    /// Number of the busiest instance.
    pub instance: u16,
    /// Instances or shards in all.
    pub instances: u32,
    /// Of the service's requests, and of their time in flight, that it gets; of shards both are of their busy time.
    pub share: f64,
    pub in_flight: f64,
    /// The route that brings most of what is too much; `None`: several do.
    pub route: Option<String>,
    pub grade: Grade,
}

impl Hot {
    /// Times its even part.
    pub fn skew(&self) -> f64 {
        (self.share * f64::from(self.instances)).max(1.0)
    }
    /// Share of all requests that one key would have, were all others spread evenly.
    pub fn key(&self) -> f64 {
        let n = f64::from(self.instances.max(2));
        ((n * self.share - 1.0) / (n - 1.0)).clamp(0.0, 1.0)
    }
}

impl fmt::Display for Hot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match &self.route {
            Some(r) => format!(", most of it by {r}"),
            None => String::new(),
        };
        let (which, what) = match &self.shard {
            Some(shard) => (
                format!("{shard}, one of {} shards,", self.instances),
                "work",
            ),
            None => {
                let which = format!("one of {} instances of {}", self.instances, self.service);
                (which, "requests")
            }
        };
        write!(
            f,
            "hot key: {which} gets {:.0} % of the {what}{of}, as if one key had {:.0} %",
            100.0 * self.share,
            100.0 * self.key()
        )
    }
}

#[derive(Default)]
struct Instance {
    first: usize,
    last: usize,
}

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let mut there: BTreeMap<&str, BTreeMap<InstanceIx, Instance>> = BTreeMap::new();
    each(seen, |t, service, _, instance, _| {
        let new = || Instance { first: t, last: t };
        let i = there.entry(service).or_default();
        i.entry(instance).or_insert_with(new).last = t;
    });
    let several = there.iter().filter(|(_, i)| i.len() > 1);
    let found = several.filter_map(|(service, i)| of(seen, service, i));
    found.chain(shards(seen)).map(Pattern::Hot).collect()
}

/// `pool.catalogue.db` of `pool.catalogue.db3`; `None`: it has no number, or is nothing that holds keys, such as a link.
pub fn unnumbered(name: &str) -> Option<&str> {
    let holds = ["pool.", "lock.", "db."]
        .iter()
        .any(|p| name.starts_with(p));
    let name = Some(name).filter(|_| holds)?;
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (base.len() < name.len() && !base.is_empty()).then_some(base)
}

/// Resources that are parts of one: of the same kind and service, told apart by a number.
fn shards(seen: &Seen) -> Vec<Hot> {
    let mut groups: BTreeMap<(Option<&str>, &str), Vec<usize>> = BTreeMap::new();
    let resources = &seen.fit.resources;
    for (k, r) in resources.iter().enumerate() {
        let parted = unnumbered(&r.info.name).filter(|_| r.utilisation > 0.0 && r.capacity_known);
        if let Some(base) = parted {
            let service = r.info.service.as_deref();
            groups.entry((service, base)).or_default().push(k);
        }
    }
    let same = |all: &Vec<usize>| {
        let capacity = |k: usize| resources[k].capacity;
        all.len() > 1 && all.iter().all(|&k| capacity(k) == capacity(all[0]))
    };
    let groups = groups.into_values().filter(same);
    groups.filter_map(|all| shard(seen, &all)).collect()
}

fn shard(seen: &Seen, all: &[usize]) -> Option<Hot> {
    let fit = seen.fit;
    let load = |k: usize| crate::watch::load(fit, k);
    let whole: f64 = all.iter().map(|&k| load(k)).sum();
    let top = all
        .iter()
        .copied()
        .max_by(|&a, &b| load(a).total_cmp(&load(b)))?;
    let (share, even) = (load(top) / whole.max(1e-12), 1.0 / all.len() as f64);
    // So many uses at least made it: one that takes as long as they do in the mean.
    let used = |r: usize| all.iter().any(|&k| fit.demand[r][k].mean > 0.0);
    let uses: f64 = (0..fit.routes.len())
        .filter(|&r| used(r))
        .map(|r| fit.routes[r].count)
        .sum();
    let error = (even * (1.0 - even) / uses.max(1.0)).sqrt();
    if uses < ENOUGH || share < SHARD * even || share - even < STANDS_OUT * error {
        return None;
    }
    let excess = |r: usize| {
        let each = |k: usize| fit.routes[r].rate * fit.demand[r][k].mean;
        each(top) - even * all.iter().map(|&k| each(k)).sum::<f64>()
    };
    let worst = (0..fit.routes.len()).max_by(|&a, &b| excess(a).total_cmp(&excess(b)));
    let route = worst.filter(|&r| excess(r) >= ROUTE * (share - even) * whole);
    let info = &fit.resources[top].info;
    Some(Hot {
        service: info.service.clone().unwrap_or_default(),
        shard: Some(info.name.clone()),
        instance: 0,
        instances: all.len() as u32,
        share,
        in_flight: share,
        route: route.map(|r| fit.routes[r].info.name.clone()),
        grade: fit.resources[top].grade,
    })
}

/// Every cell of attempts at an instance that is known.
fn each<'a>(
    seen: &Seen<'a>,
    mut with: impl FnMut(usize, &'a str, usize, InstanceIx, &'a base::Cell),
) {
    for (t, w) in seen.windows() {
        for c in w.attempts.iter().filter(|c| c.key.instance.get().is_some()) {
            if let Some(r) = c.key.route.get().filter(|r| !seen.service(*r).is_empty()) {
                with(t, seen.service(r), r, c.key.instance, c);
            }
        }
    }
}

fn of(seen: &Seen, service: &str, there: &BTreeMap<InstanceIx, Instance>) -> Option<Hot> {
    // Only while all were there: who is alone for a while has all of it.
    let from = there.values().map(|i| i.first).max()?;
    let to = there.values().map(|i| i.last).min()?;
    if to.saturating_sub(from) < ENOUGH_S as usize {
        return None;
    }
    // Requests and seconds in flight, by instance.
    let mut by: BTreeMap<InstanceIx, (f64, f64)> = BTreeMap::new();
    each(seen, |t, s, _, instance, c| {
        if s == service && (from..=to).contains(&t) {
            let x = by.entry(instance).or_default();
            x.0 += f64::from(c.arrivals);
            x.1 += c.in_flight_s.max(0.0);
        }
    });
    let sum = |s: (f64, f64), x: &(f64, f64)| (s.0 + x.0, s.1 + x.1);
    let (requests, in_flight) = by.values().fold((0.0, 0.0), sum);
    let (&top, &(its, held)) = by.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    let n = there.len() as f64;
    let (share, held) = (its / requests.max(1.0), held / in_flight.max(1e-9));
    let even = 1.0 / n;
    let error = (even * (1.0 - even) / requests.max(1.0)).sqrt();
    // A faster machine gets more requests too, and holds no more of them at once than the others.
    let hot = requests >= ENOUGH
        && share >= EXCESS * even
        && held >= EXCESS * even
        && share - even >= STANDS_OUT * error;
    if !hot {
        return None;
    }
    let mut excess = vec![0.0; seen.history.routes.len()];
    each(seen, |t, s, route, instance, c| {
        if s == service && (from..=to).contains(&t) {
            let here = if instance == top { 1.0 } else { 0.0 };
            excess[route] += (here - even) * f64::from(c.arrivals);
        }
    });
    let worst = (0..excess.len()).max_by(|&a, &b| excess[a].total_cmp(&excess[b]));
    let route = worst.filter(|&r| excess[r] >= ROUTE * (its - even * requests));
    Some(Hot {
        service: service.to_owned(),
        shard: None,
        instance: top.0,
        instances: there.len() as u32,
        share,
        in_flight: held,
        route: route.map(|r| seen.history.routes[r].name.clone()),
        grade: Grade::Direct,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::made::{Made, found};

    fn hot(m: &Made) -> Option<Hot> {
        found(m).into_iter().find_map(|p| match p {
            Pattern::Hot(x) => Some(x),
            _ => None,
        })
    }

    /// Requests per second of each instance, from the given second on, and seconds of one.
    fn instances(each: &[(u32, usize, f64)]) -> Made {
        let mut m = Made::new(&[("item", "shard"), ("list", "shard")], 120);
        for t in 0..120 {
            m.requests(t, 0, each.iter().map(|e| e.0).sum(), 0.01);
            for (i, (n, since, s)) in each.iter().enumerate().filter(|(_, e)| t >= e.1) {
                m.attempts(t, 0, i as u16, *n, *s);
                m.attempts(t, 1, i as u16, 2, 0.01);
                let _ = since;
            }
        }
        m
    }

    #[test]
    fn a_key_on_one_of_four_is_named_with_its_share() {
        let h = hot(&instances(&[
            (6, 0, 0.01),
            (24, 0, 0.01),
            (6, 0, 0.01),
            (6, 0, 0.01),
        ]))
        .unwrap();
        assert_eq!((h.instance, h.instances), (1, 4));
        assert_eq!(h.route.as_deref(), Some("item"));
        assert!((h.share - 0.52).abs() < 1e-9, "{}", h.share);
        assert!((h.key() - 0.36).abs() < 1e-9 && (h.skew() - 2.08).abs() < 1e-9);
    }

    /// Three pools of one connection, each busy for so long a second.
    fn sharded(busy: [f64; 3]) -> Option<Hot> {
        let mut m = Made::new(&[("item", "catalogue")], 120);
        for (k, busy) in busy.into_iter().enumerate() {
            m.resource(&format!("pool.catalogue.db{k}"));
            for t in 0..120 {
                m.told(t, k as u16, busy * (1.0 + 0.1 * (t % 7) as f64), 1.0, 0.0);
            }
        }
        for t in 0..120 {
            let n = 10 + (t % 7) as u32;
            m.requests(t, 0, n, 0.03);
            m.attempts(t, 0, 0, n, 0.03);
        }
        hot(&m)
    }

    #[test]
    fn one_of_several_shards_is_named() {
        let h = sharded([0.1, 0.25, 0.1]).unwrap();
        assert_eq!(h.shard.as_deref(), Some("pool.catalogue.db1"));
        assert!((h.share - 0.55).abs() < 0.06, "{h:?}");
        // 1.235 times its part.
        assert!(sharded([0.15, 0.21, 0.15]).is_some());
        assert_eq!(sharded([0.15, 0.16, 0.15]), None);
        assert_eq!(
            (unnumbered("lock.app.row12"), unnumbered("cpu.front")),
            (Some("lock.app.row"), None)
        );
    }

    #[test]
    fn an_even_spread_a_faster_machine_and_one_that_came_later_are_no_hot_key() {
        assert_eq!(
            hot(&instances(&[(10, 0, 0.01), (11, 0, 0.01), (9, 0, 0.01)])),
            None
        );
        // Twice as fast, twice the requests: as many in flight as at the others.
        assert_eq!(
            hot(&instances(&[(20, 0, 0.005), (10, 0, 0.01), (10, 0, 0.01)])),
            None
        );
        // Alone for the first minute.
        let mut late = instances(&[(10, 0, 0.01), (10, 60, 0.01)]);
        assert_eq!(hot(&late), None);
        for t in 0..60 {
            late.attempts(t, 0, 0, 30, 0.01);
        }
        assert_eq!(hot(&late), None);
    }
}
