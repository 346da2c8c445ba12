//! Prices × use: each price is shared by what requests used of its resource; what they did not use is idle.

use crate::price::{HOST, Price};
use crate::seen::{Column, Seen};
use crate::slot::{Askers, Item, Part, Slot};

const HOUR_S: f64 = 3600.0;

/// What the stretch that begins at `start_s` cost.
pub fn share(start_s: u64, prices: &[Price], seen: &Seen) -> Slot {
    let requests = seen.routes.iter().filter(|r| r.requests > 0.0);
    Slot {
        start_s,
        seconds: seen.seconds,
        requests: requests.map(|r| (r.name.clone(), r.requests)).collect(),
        items: prices
            .iter()
            .map(|p| (p.resource.clone(), item(p, seen)))
            .collect(),
        ..Slot::default()
    }
}

/// What somebody's requests used; `parts`: routes, and which share of their requests are his.
pub fn charge<'a>(slot: &Slot, parts: impl Iterator<Item = (&'a str, f64)>) -> Askers {
    let mut sum = Askers::default();
    for (route, share) in parts {
        sum.requests += slot.requests_of(route) * share;
        sum.dollars += slot.used_by(route) * share;
    }
    sum
}

fn item(price: &Price, seen: &Seen) -> Item {
    let dollars = price.per_hour * seen.seconds / HOUR_S;
    let column = seen.columns.get(&price.resource);
    match column.and_then(|c| used(c, price, seen)) {
        Some((used, background, capacity)) => {
            by_use(price, dollars, used, background, capacity, seen)
        }
        None => by_requests(price, dollars, seen),
    }
}

/// What each route used, what nobody's request did, and what there was; `None` where that is not known.
fn used(c: &Column, price: &Price, seen: &Seen) -> Option<(Vec<f64>, f64, f64)> {
    let known: f64 = c.demanded.iter().sum();
    let (busy, background) = match c.busy {
        Some(busy) => (busy, c.background.min(busy)),
        None if known > 0.0 => (known + c.background, c.background),
        None => return None,
    };
    if c.capacity <= 0.0 {
        return None;
    }
    let weights = match known > 0.0 {
        true => c.demanded.clone(),
        false => guess(price, seen),
    };
    let (sum, mine) = (weights.iter().sum::<f64>(), busy - background);
    if sum <= 0.0 {
        // No request came: whatever was busy was so without one.
        return Some((weights, busy, c.capacity.max(busy)));
    }
    let used = weights.iter().map(|w| mine * w / sum).collect();
    Some((used, background, c.capacity.max(busy)))
}

/// While no demand is known: the host is used as its services are, and anything else by request.
fn guess(price: &Price, seen: &Seen) -> Vec<f64> {
    let services = seen
        .columns
        .iter()
        .filter(|(name, _)| price.resource == HOST && name.starts_with("cpu."));
    let mut sum = vec![0.0; seen.routes.len()];
    for (_, c) in services {
        sum.iter_mut().zip(&c.demanded).for_each(|(s, d)| *s += d);
    }
    match sum.iter().any(|s| *s > 0.0) {
        true => sum,
        false => lives(price, seen),
    }
}

/// Requests of the routes that bear the price.
fn lives(price: &Price, seen: &Seen) -> Vec<f64> {
    let mine = |service: &str| price.service.as_deref().is_none_or(|s| s == service);
    let life = |r: &crate::RouteSeen| if mine(&r.service) { r.life } else { 0.0 };
    seen.routes.iter().map(life).collect()
}

fn by_use(
    price: &Price,
    dollars: f64,
    used: Vec<f64>,
    background: f64,
    capacity: f64,
    seen: &Seen,
) -> Item {
    let unit = dollars / capacity;
    let parts = seen.routes.iter().zip(used).filter(|(_, u)| *u > 0.0);
    let parts = parts.map(|(r, seconds)| {
        let dollars = seconds * unit;
        (r.name.clone(), Part { seconds, dollars })
    });
    Item {
        kind: price.kind,
        dollars,
        background: background * unit,
        routes: parts.collect(),
        measured: true,
    }
}

/// Nobody sees what is used of it: requests bear all of it alike, and without requests all of it is idle.
fn by_requests(price: &Price, dollars: f64, seen: &Seen) -> Item {
    let lives = lives(price, seen);
    let sum: f64 = lives.iter().sum();
    let parts = seen.routes.iter().zip(lives).filter(|(_, l)| *l > 0.0);
    let parts = parts.map(|(r, life)| {
        let dollars = dollars * life / sum;
        (
            r.name.clone(),
            Part {
                seconds: 0.0,
                dollars,
            },
        )
    });
    Item {
        kind: price.kind,
        dollars,
        background: 0.0,
        routes: parts.collect(),
        measured: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Kind;
    use crate::seen::RouteSeen;
    use std::collections::BTreeMap;

    fn price(resource: &str) -> Price {
        Price {
            resource: resource.into(),
            kind: Kind::Service,
            service: Some("app".into()),
            per_hour: 3600.0,
        }
    }

    fn seen(busy: Option<f64>, demanded: [f64; 2]) -> Seen {
        let route = |name: &str, life| RouteSeen {
            name: name.into(),
            service: "app".into(),
            requests: life,
            life,
        };
        let column = Column {
            capacity: 20.0,
            busy,
            background: 1.0,
            demanded: demanded.to_vec(),
        };
        Seen {
            seconds: 10.0,
            routes: vec![route("a", 30.0), route("b", 10.0)],
            columns: BTreeMap::from([("cpu.app".to_owned(), column)]),
        }
    }

    fn shared(resource: &str, seen: &Seen) -> (f64, f64, f64, f64) {
        let slot = share(0, &[price(resource)], seen);
        let item = &slot.items[resource];
        let of = |r: &str| item.routes.get(r).map_or(0.0, |p| p.dollars);
        (of("a"), of("b"), item.background, item.idle())
    }

    #[test]
    fn what_is_measured_counts_and_demands_divide_it() {
        // Ten dollars for 20 core-seconds; 5 were busy, 1 of them without requests.
        assert_eq!(
            shared("cpu.app", &seen(Some(5.0), [1.0, 3.0])),
            (0.5, 1.5, 0.5, 7.5)
        );
        // No probe: what the model says.
        assert_eq!(
            shared("cpu.app", &seen(None, [1.0, 3.0])),
            (0.5, 1.5, 0.5, 7.5)
        );
        // Nothing is known of demands yet: by request.
        assert_eq!(
            shared("cpu.app", &seen(Some(5.0), [0.0, 0.0])),
            (1.5, 0.5, 0.5, 7.5)
        );
        // More busy than there is: nothing is idle.
        assert_eq!(shared("cpu.app", &seen(Some(41.0), [1.0, 1.0])).3, 0.0);
    }

    #[test]
    fn what_nobody_sees_is_borne_by_requests_and_without_them_it_is_idle() {
        assert_eq!(
            shared("db.unseen", &seen(None, [0.0; 2])),
            (7.5, 2.5, 0.0, 0.0)
        );
        let mut quiet = seen(Some(5.0), [0.0; 2]);
        quiet.routes.iter_mut().for_each(|r| r.life = 0.0);
        assert_eq!(shared("db.unseen", &quiet), (0.0, 0.0, 0.0, 10.0));
        assert_eq!(shared("cpu.app", &quiet), (0.0, 0.0, 2.5, 7.5));
    }
}
