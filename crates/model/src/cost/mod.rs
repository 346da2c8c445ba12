//! What a request costs: each resource's price is shared by use, so that all routes together are exactly the bill.
//! `c_r = sum_k P_k D_rk n_r / sum_q D_qk n_q`; the marginal cost `sum_k P_k D_rk n_r / C_k` leaves out what is idle.

use crate::fit::Fit;
use serde::{Deserialize, Serialize};

/// Micro-dollars per dollar: amounts are whole micro-dollars per hour, so that sums are exact.
const MICRO: f64 = 1e6;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteCost {
    pub route: String,
    /// Its part of the bill, micro-dollars per hour.
    pub micro_per_hour: u64,
    /// Of that, what would go if the route went; the rest is its share of idle and background.
    pub marginal_micro_per_hour: f64,
    /// Dollars per 1000 requests: itself only, without idle, and with all requests it causes.
    pub per_1000: f64,
    pub marginal_per_1000: f64,
    pub with_children_per_1000: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceCost {
    pub resource: String,
    pub micro_per_hour: u64,
    /// Share of its capacity that requests use; the rest is idle or background.
    pub used: f64,
    pub idle_micro_per_hour: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The whole bill, micro-dollars per hour; the routes' parts sum to exactly this.
    pub bill_micro_per_hour: u64,
    pub routes: Vec<RouteCost>,
    pub resources: Vec<ResourceCost>,
    /// Dollars per 1000 entry requests at the current rate; `None` without traffic.
    pub per_1000: Option<f64>,
    /// Resources that limit but have no price.
    pub unpriced: Vec<String>,
}

/// The bill, shared. `Err` says what is missing.
pub fn costs(fit: &Fit) -> Result<Costs, String> {
    let price = |k: usize| {
        fit.resources[k]
            .info
            .price_per_hour
            .filter(|p| p.is_finite() && *p > 0.0)
    };
    let priced: Vec<usize> = (0..fit.resources.len())
        .filter(|&k| price(k).is_some())
        .collect();
    if priced.is_empty() {
        return Err(
            "no price is known: give services or resources a `price`, such as $0.10/h".into(),
        );
    }
    let n = fit.routes.len();
    let (mut parts, mut marginal) = (vec![0u64; n], vec![0.0; n]);
    let mut resources = Vec::new();
    for &k in &priced {
        let (r, total) = (&fit.resources[k], price(k).unwrap_or(0.0) * MICRO);
        let micro = total.round() as u64;
        let used = |i: usize| fit.routes[i].rate.max(0.0) * fit.demand[i][k].mean.max(0.0);
        let all: f64 = (0..n).map(used).sum();
        // Nobody is known to use it: its own service's routes bear it by number of requests, else all do.
        let mine = |i: usize| {
            r.info
                .service
                .as_deref()
                .is_none_or(|s| fit.routes[i].info.service == s)
        };
        let anyone = (0..n).any(|i| mine(i) && fit.routes[i].rate > 0.0);
        let weights: Vec<f64> = (0..n)
            .map(|i| match (all > 0.0, anyone) {
                (true, _) => used(i),
                (false, true) if !mine(i) => 0.0,
                _ => fit.routes[i].rate.max(0.0),
            })
            .collect();
        for (p, share) in parts.iter_mut().zip(largest_remainder(micro, &weights)) {
            *p += share;
        }
        let capacity = r.capacity.max(all).max(1e-12);
        (0..n).for_each(|i| marginal[i] += total * used(i) / capacity);
        resources.push(ResourceCost {
            resource: r.info.name.clone(),
            micro_per_hour: micro,
            used: all / capacity,
            idle_micro_per_hour: total * (1.0 - all / capacity),
        });
    }
    // Dollars per 1000 requests from micro-dollars per hour at a rate per second.
    let per_1000 = |micro: f64, rate: f64| {
        if rate > 0.0 {
            micro / MICRO / (rate * 3.6)
        } else {
            0.0
        }
    };
    let own: Vec<f64> = (0..n)
        .map(|i| per_1000(parts[i] as f64, fit.routes[i].rate))
        .collect();
    let bill: u64 = parts.iter().sum();
    let entry: f64 = fit.routes.iter().map(|r| r.entry_rate.max(0.0)).sum();
    let route = |i: usize| RouteCost {
        route: fit.routes[i].info.name.clone(),
        micro_per_hour: parts[i],
        marginal_micro_per_hour: marginal[i],
        per_1000: own[i],
        marginal_per_1000: per_1000(marginal[i], fit.routes[i].rate),
        with_children_per_1000: fit.tree(i).iter().zip(&own).map(|(w, c)| w * c).sum(),
    };
    Ok(Costs {
        bill_micro_per_hour: bill,
        routes: (0..n).map(route).collect(),
        resources,
        per_1000: (entry > 0.0).then(|| per_1000(bill as f64, entry)),
        unpriced: (0..fit.resources.len())
            .filter(|k| price(*k).is_none() && fit.resources[*k].info.name.starts_with("cpu"))
            .map(|k| fit.resources[k].info.name.clone())
            .collect(),
    })
}

/// Dollars per 1000 entry requests at `rate` for a bill in dollars per hour.
pub fn per_1000(bill_per_hour: f64, rate: f64) -> Option<f64> {
    (rate > 0.0 && bill_per_hour > 0.0).then(|| bill_per_hour / (rate * 3.6))
}

/// `total` in whole parts in proportion to `weights`: the largest remainders get the last units.
/// Without any weight all goes to the first.
pub fn largest_remainder(total: u64, weights: &[f64]) -> Vec<u64> {
    let sum: f64 = weights.iter().sum();
    let mut parts = vec![0u64; weights.len()];
    if sum <= 0.0 || !sum.is_finite() {
        if let Some(first) = parts.first_mut() {
            *first = total;
        }
        return parts;
    }
    let exact: Vec<f64> = weights.iter().map(|w| total as f64 * w / sum).collect();
    parts
        .iter_mut()
        .zip(&exact)
        .for_each(|(p, x)| *p = x.floor() as u64);
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|&a, &b| {
        exact[b]
            .fract()
            .total_cmp(&exact[a].fract())
            .then(a.cmp(&b))
    });
    let left = total.saturating_sub(parts.iter().sum());
    order
        .iter()
        .cycle()
        .take(left as usize)
        .for_each(|&i| parts[i] += 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(total in 0u64..10_000_000, w in proptest::collection::vec(0.0f64..100.0, 1..40)) {
            let parts = largest_remainder(total, &w);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            let sum: f64 = w.iter().sum();
            if sum > 0.0 {
                for (p, w) in parts.iter().zip(&w) {
                    prop_assert!((*p as f64 - total as f64 * w / sum).abs() <= 1.0 + 1e-6);
                }
            }
        }
    }
}
