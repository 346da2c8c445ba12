//! Why a request costs more (or less) than before: five parts that sum to the difference.
//!
//! With `s` a route's share of the requests, `D` what one of its requests uses of a resource, `p` the price of a unit, `N` requests,
//! and `F` what no request is known to use (idle, background, and what nobody measures):
//! mix `Σ (s₁−s₀)·D₀p₀`, efficiency `Σ s₁·(D₁−D₀)·p₀`, price `Σ s₁·D₁·(p₁−p₀)`, volume `F₀/N₁ − F₀/N₀`, idle `(F₁−F₀)/N₁`.

use crate::slot::{Part, Slot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Dollars per request (or for whatever takes so many).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    pub before: f64,
    pub after: f64,
    /// The same idle is borne by more requests, or by fewer.
    pub volume: f64,
    /// Other routes are asked for.
    pub mix: f64,
    /// A request uses more or less than it did.
    pub efficiency: f64,
    /// A unit of a resource costs more or less.
    pub price: f64,
    /// More or less is idle.
    pub idle: f64,
}

impl Explained {
    /// Of so many requests.
    pub fn times(self, n: f64) -> Explained {
        Explained {
            before: self.before * n,
            after: self.after * n,
            volume: self.volume * n,
            mix: self.mix * n,
            efficiency: self.efficiency * n,
            price: self.price * n,
            idle: self.idle * n,
        }
    }

    pub fn parts(&self) -> [(&'static str, f64); 5] {
        [
            ("volume", self.volume),
            ("mix", self.mix),
            ("efficiency", self.efficiency),
            ("price", self.price),
            ("idle", self.idle),
        ]
    }
}

/// `None` without requests on either side.
pub fn explain(before: &Slot, after: &Slot) -> Option<Explained> {
    let (n0, n1) = (before.all_requests(), after.all_requests());
    if n0 <= 0.0 || n1 <= 0.0 {
        return None;
    }
    let (f0, f1) = (fixed(before), fixed(after));
    let mut e = Explained {
        before: before.dollars() / n0,
        after: after.dollars() / n1,
        volume: f0 / n1 - f0 / n0,
        idle: (f1 - f0) / n1,
        ..Explained::default()
    };
    for route in routes(before, after) {
        let (r0, r1) = (before.requests_of(route), after.requests_of(route));
        for resource in resources(before, after) {
            let new = unit(after, resource, route, r1);
            // A route that was not there before counts as mix, whatever it uses.
            let old = if r0 > 0.0 {
                unit(before, resource, route, r0)
            } else {
                new
            };
            e.mix += (r1 / n1 - r0 / n0) * old.demand * old.price;
            e.efficiency += r1 / n1 * (new.demand - old.demand) * old.price;
            e.price += r1 / n1 * new.demand * (new.price - old.price);
        }
    }
    Some(e)
}

/// Dollars that do not come from a route's measured use.
fn fixed(slot: &Slot) -> f64 {
    let requested = |p: &(&String, &Part)| p.1.seconds > 0.0 && slot.requests_of(p.0) > 0.0;
    let parts = slot
        .items
        .values()
        .flat_map(|i| i.routes.iter().filter(requested));
    slot.dollars() - parts.map(|(_, p)| p.dollars).sum::<f64>()
}

fn routes<'a>(a: &'a Slot, b: &'a Slot) -> BTreeSet<&'a str> {
    let all = a.requests.keys().chain(b.requests.keys());
    all.map(String::as_str).collect()
}

fn resources<'a>(a: &'a Slot, b: &'a Slot) -> BTreeSet<&'a str> {
    let all = a.items.keys().chain(b.items.keys());
    all.map(String::as_str).collect()
}

/// What one request uses of a resource, and what a unit of that costs.
#[derive(Clone, Copy)]
struct Unit {
    demand: f64,
    price: f64,
}

fn unit(slot: &Slot, resource: &str, route: &str, requests: f64) -> Unit {
    let item = slot.items.get(resource);
    let part = item
        .and_then(|i| i.routes.get(route))
        .filter(|p| p.seconds > 0.0);
    match part {
        Some(p) if requests > 0.0 => Unit {
            demand: p.seconds / requests,
            price: p.dollars / p.seconds,
        },
        // It did not use it: what it would have paid is what the others did.
        _ => {
            let all = item
                .iter()
                .flat_map(|i| i.routes.values())
                .filter(|p| p.seconds > 0.0);
            let (seconds, dollars) =
                all.fold((0.0, 0.0), |a, p| (a.0 + p.seconds, a.1 + p.dollars));
            Unit {
                demand: 0.0,
                price: if seconds > 0.0 {
                    dollars / seconds
                } else {
                    0.0
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Kind};
    use proptest::prelude::*;

    /// One measured resource of ten dollars and 100 unit-seconds, and another that nobody sees.
    fn slot(requests: &[f64], demand: &[f64], dollars: f64) -> Slot {
        let name = |i: usize| format!("r{i}");
        let unit = dollars / 100.0;
        let parts = requests.iter().zip(demand).enumerate();
        let parts = parts.map(|(i, (n, d))| {
            let seconds = n * d;
            (
                name(i),
                Part {
                    seconds,
                    dollars: seconds * unit,
                },
            )
        });
        let item = |dollars, routes, measured| Item {
            kind: Kind::Service,
            dollars,
            background: 0.0,
            routes,
            measured,
        };
        let unseen = [(
            name(0),
            Part {
                seconds: 0.0,
                dollars: 1.0,
            },
        )]
        .into();
        Slot {
            requests: requests
                .iter()
                .enumerate()
                .map(|(i, n)| (name(i), *n))
                .collect(),
            items: [
                ("cpu".to_owned(), item(dollars, parts.collect(), true)),
                ("db".to_owned(), item(1.0, unseen, false)),
            ]
            .into(),
            ..Slot::default()
        }
    }

    fn side() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, f64)> {
        let some = |most: f64| prop_oneof![Just(0.0), 0.0..most];
        (
            proptest::collection::vec(some(100.0), 1..5),
            proptest::collection::vec(some(0.2), 5),
            0.0f64..50.0,
        )
    }

    proptest! {
        #[test]
        fn the_parts_sum_to_the_difference(a in side(), b in side()) {
            let (a, b) = (slot(&a.0, &a.1, a.2), slot(&b.0, &b.1, b.2));
            let Some(e) = explain(&a, &b) else {
                prop_assert!(a.all_requests() * b.all_requests() == 0.0);
                return Ok(());
            };
            let sum: f64 = e.parts().iter().map(|(_, x)| x).sum();
            let scale = e.before.abs() + e.after.abs() + e.parts().iter().map(|(_, x)| x.abs()).sum::<f64>();
            prop_assert!((sum - (e.after - e.before)).abs() <= 1e-9 * scale, "{e:?}");
        }
    }

    #[test]
    fn each_cause_is_named() {
        let base = slot(&[60.0, 40.0], &[0.5, 0.1], 10.0);
        let parts = |after: &Slot| -> Vec<&str> {
            let e = explain(&base, after).unwrap();
            let said = e.parts().into_iter().filter(|(_, x)| x.abs() > 1e-9);
            said.map(|(name, _)| name).collect()
        };
        assert!(parts(&base).is_empty());
        // Dearer requests leave less idle.
        assert_eq!(
            parts(&slot(&[60.0, 40.0], &[0.6, 0.1], 10.0)),
            ["efficiency", "idle"]
        );
        assert_eq!(
            parts(&slot(&[40.0, 60.0], &[0.5, 0.1], 10.0)),
            ["mix", "idle"]
        );
        assert_eq!(
            parts(&slot(&[60.0, 40.0], &[0.5, 0.1], 20.0)),
            ["price", "idle"]
        );
        assert_eq!(
            parts(&slot(&[30.0, 20.0], &[0.5, 0.1], 10.0)),
            ["volume", "idle"]
        );
        let more = explain(&base, &slot(&[60.0, 40.0], &[0.6, 0.1], 10.0)).unwrap();
        assert!((more.efficiency - 0.006).abs() < 1e-12 && (more.idle + 0.006).abs() < 1e-12);
    }
}
