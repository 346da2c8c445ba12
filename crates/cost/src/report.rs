//! Slots in whole micro-dollars: rows, background and idle together are exactly the bill.

use crate::slot::{Askers, Item, Slot};
use crate::{Kind, MICRO};
use base::units::Secs;
use model::cost::largest_remainder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The row of all that have no row of their own.
pub const OTHER: &str = "other";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Route,
    Service,
    Resource,
    Tenant,
    User,
}

impl By {
    pub const ALL: [By; 5] = [By::Route, By::Service, By::Resource, By::Tenant, By::User];

    pub fn word(self) -> &'static str {
        match self {
            By::Route => "route",
            By::Service => "service",
            By::Resource => "resource",
            By::Tenant => "tenant",
            By::User => "user",
        }
    }

    pub fn from_word(word: &str) -> Option<By> {
        By::ALL.into_iter().find(|b| b.word() == word)
    }
}

/// What requests of one route (or service …) used, or what they used of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub micro: u64,
    /// `None` for resources, which all requests share.
    pub requests: Option<f64>,
    /// Dollars for 1000 of its requests, without what is idle.
    pub per_1000: Option<f64>,
}

/// One line of the bill: its price over the time, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemRow {
    pub resource: String,
    pub kind: Kind,
    pub micro: u64,
    pub used_micro: u64,
    pub background_micro: u64,
    pub idle_micro: u64,
    /// `false`: nobody sees its use, so requests bear all of it alike.
    pub measured: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub by: By,
    /// Seconds since the Unix epoch.
    pub from_s: u64,
    pub to_s: u64,
    /// Seconds of it that were watched: the bill is of those.
    pub covered_s: f64,
    /// `rows`, `background_micro` and `idle_micro` sum to exactly this, and so do `items`.
    pub bill_micro: u64,
    /// Dearest first, `other` last.
    pub rows: Vec<Row>,
    pub background_micro: u64,
    pub idle_micro: u64,
    pub items: Vec<ItemRow>,
    pub requests: f64,
    /// Dollars for 1000 requests, everything included.
    pub per_1000: Option<f64>,
    /// For people: what is weak about the numbers.
    pub notes: Vec<String>,
}

impl Report {
    /// Of the bill.
    pub fn share(&self, micro: u64) -> f64 {
        micro as f64 / self.bill_micro.max(1) as f64
    }
}

/// Who uses what, in micro-dollars: by route within each item.
struct Shared<'a> {
    row: ItemRow,
    routes: Vec<(&'a str, u64)>,
}

fn shared<'a>(resource: &str, item: &'a Item) -> Shared<'a> {
    let bill = (item.dollars.max(0.0) * MICRO).round() as u64;
    let mut weights: Vec<f64> = vec![item.idle(), item.background];
    weights.extend(item.routes.values().map(|p| p.dollars));
    // The first gets all of it where nothing has a weight: idle.
    let parts = largest_remainder(bill, &weights);
    let routes: Vec<(&str, u64)> = (item.routes.keys().map(String::as_str))
        .zip(parts[2..].iter().copied())
        .collect();
    Shared {
        row: ItemRow {
            resource: resource.to_owned(),
            kind: item.kind,
            micro: bill,
            used_micro: routes.iter().map(|(_, m)| m).sum(),
            background_micro: parts[1],
            idle_micro: parts[0],
            measured: item.measured,
        },
        routes,
    }
}

/// `service`: to whom a route goes; routes that are gone are among `other`.
pub fn report(slot: &Slot, by: By, to_s: u64, service: impl Fn(&str) -> Option<String>) -> Report {
    let shared: Vec<Shared> = slot.items.iter().map(|(name, i)| shared(name, i)).collect();
    let rows = match by {
        By::Resource => resources(&shared),
        By::Route => routes(&shared, &slot.requests, |r| Some(r.to_owned())),
        By::Service => routes(&shared, &slot.requests, service),
        By::Tenant => askers(&shared, slot, &slot.tenants),
        By::User => askers(&shared, slot, &slot.users),
    };
    let items: Vec<ItemRow> = shared.into_iter().map(|s| s.row).collect();
    let sum = |of: fn(&ItemRow) -> u64| items.iter().map(of).sum::<u64>();
    let bill_micro = sum(|i| i.micro);
    let requests = slot.all_requests();
    Report {
        by,
        from_s: slot.start_s,
        to_s,
        covered_s: slot.seconds,
        bill_micro,
        rows,
        background_micro: sum(|i| i.background_micro),
        idle_micro: sum(|i| i.idle_micro),
        requests,
        per_1000: per_1000(bill_micro, requests),
        notes: notes(
            &items,
            to_s.saturating_sub(slot.start_s) as f64,
            slot.seconds,
        ),
        items,
    }
}

fn resources(shared: &[Shared]) -> Vec<Row> {
    let row = |s: &Shared| Row {
        name: s.row.resource.clone(),
        micro: s.row.used_micro,
        requests: None,
        per_1000: None,
    };
    sorted(shared.iter().map(row).collect())
}

fn routes(
    shared: &[Shared],
    requests: &BTreeMap<String, f64>,
    group: impl Fn(&str) -> Option<String>,
) -> Vec<Row> {
    let mut all: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    let of = |route: &str| group(route).unwrap_or_else(|| OTHER.to_owned());
    for (route, micro) in shared.iter().flat_map(|s| &s.routes) {
        all.entry(of(route)).or_default().0 += micro;
    }
    for (route, n) in requests {
        all.entry(of(route)).or_default().1 += n;
    }
    let row = |(name, (micro, requests)): (String, (u64, f64))| Row {
        per_1000: per_1000(micro, requests),
        requests: Some(requests),
        name,
        micro,
    };
    sorted(all.into_iter().map(row).collect())
}

/// What requests used, shared by who asked; `other` are those that are not among the dearest, or of whom nothing is known.
fn askers(shared: &[Shared], slot: &Slot, all: &BTreeMap<String, Askers>) -> Vec<Row> {
    let used: u64 = shared.iter().map(|s| s.row.used_micro).sum();
    let (mut requests, mut dollars) = (slot.all_requests(), slot.used());
    for a in all.values() {
        requests -= a.requests;
        dollars -= a.dollars;
    }
    let rest = Askers {
        requests: requests.max(0.0),
        dollars: dollars.max(0.0),
    };
    let other = OTHER.to_owned();
    let named: Vec<(&String, &Askers)> = [(&other, &rest)].into_iter().chain(all).collect();
    let weights: Vec<f64> = named.iter().map(|(_, a)| a.dollars).collect();
    let parts = largest_remainder(used, &weights);
    let row = |((name, a), micro): (&(&String, &Askers), u64)| Row {
        name: (*name).clone(),
        micro,
        requests: Some(a.requests),
        per_1000: per_1000(micro, a.requests),
    };
    sorted(named.iter().zip(parts).map(row).collect())
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|r| (r.name == OTHER, std::cmp::Reverse(r.micro)));
    rows
}

/// Dollars for 1000 of so many requests.
fn per_1000(micro: u64, requests: f64) -> Option<f64> {
    (requests > 0.0).then(|| micro as f64 / MICRO / requests * 1000.0)
}

/// Seconds that may be missing before it is said: windows close late, and the first one is not whole.
const SLACK_S: f64 = 120.0;

fn notes(items: &[ItemRow], asked_s: f64, covered_s: f64) -> Vec<String> {
    let unmeasured: Vec<&str> = (items.iter())
        .filter(|i| !i.measured)
        .map(|i| i.resource.as_str())
        .collect();
    let mut notes = Vec::new();
    if !unmeasured.is_empty() {
        let which = unmeasured.join(", ");
        notes.push(format!(
            "nobody sees what is used of {which}: requests bear all of it alike"
        ));
    }
    if covered_s + SLACK_S < asked_s {
        let (asked, covered) = (Secs(asked_s), Secs(covered_s));
        notes.push(format!(
            "of {asked} asked for, {covered} were watched: the bill is of those"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Part;
    use proptest::prelude::*;

    fn slot(items: &[(f64, f64, Vec<f64>)]) -> Slot {
        let item = |(dollars, background, routes): &(f64, f64, Vec<f64>)| {
            // Shares of at most all of it.
            let sum = (routes.iter().sum::<f64>() + background).max(1.0);
            let part = |(i, r): (usize, &f64)| {
                let dollars = dollars * r / sum;
                (
                    format!("r{i}"),
                    Part {
                        seconds: *r,
                        dollars,
                    },
                )
            };
            Item {
                kind: Kind::Service,
                dollars: *dollars,
                background: dollars * background / sum,
                routes: routes.iter().enumerate().map(part).collect(),
                measured: true,
            }
        };
        let items = items
            .iter()
            .enumerate()
            .map(|(k, i)| (format!("k{k}"), item(i)));
        Slot {
            items: items.collect(),
            ..Slot::default()
        }
    }

    proptest! {
        #[test]
        fn rows_background_and_idle_are_the_bill(
            items in proptest::collection::vec(
                (0.0f64..50.0, 0.0f64..2.0, proptest::collection::vec(0.0f64..1.0, 0..8)), 0..6),
        ) {
            let slot = slot(&items);
            let bill: u64 = slot.items.values().map(|i| (i.dollars * MICRO).round() as u64).sum();
            let some = Askers { requests: 1.0, dollars: slot.used() / 3.0 };
            let slot = Slot { tenants: [("acme".to_owned(), some)].into(), ..slot };
            for by in By::ALL {
                let r = report(&slot, by, 60, |r| (r != "r0").then(|| "app".to_owned()));
                let rows: u64 = r.rows.iter().map(|r| r.micro).sum();
                prop_assert_eq!(rows + r.background_micro + r.idle_micro, bill);
                prop_assert_eq!(r.bill_micro, bill);
                for i in &r.items {
                    prop_assert_eq!(i.used_micro + i.background_micro + i.idle_micro, i.micro);
                }
                if by == By::Route {
                    for row in &r.rows {
                        let exact = slot.used_by(&row.name) * MICRO;
                        prop_assert!((row.micro as f64 - exact).abs() <= 1.01 * items.len() as f64);
                    }
                }
            }
        }
    }

    #[test]
    fn the_dearest_come_first_and_other_last() {
        let slot = slot(&[(1.0, 0.0, vec![0.6, 0.1, 0.2])]);
        let names = |by| -> Vec<String> {
            let service = |r: &str| (r != "r0").then(|| "app".to_owned());
            report(&slot, by, 0, service)
                .rows
                .into_iter()
                .map(|r| r.name)
                .collect()
        };
        assert_eq!(names(By::Route), ["r0", "r2", "r1"]);
        assert_eq!(names(By::Service), ["app", OTHER]);
        assert_eq!(names(By::Resource), ["k0"]);
        assert_eq!(names(By::Tenant), [OTHER], "nothing is known of tenants");
    }
}
