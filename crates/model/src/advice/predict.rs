//! What a change is expected to bring: the line before and after with common random numbers, the demands and
//! capacities that a trial can measure, p99 and cost, each with an interval.

use crate::fit::Fit;
use crate::loadline::saturation::{draws, quantile};
use crate::loadline::{DRAWS, Limit, LoadLine, RouteLine};
use crate::moves::{Edit, transform};
use crate::twin::System;
use crate::twin::draw::{mix, normal};
use serde::{Deserialize, Serialize};

/// A number and the interval that holds it nine times of ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A measurable change: the ratio of after to before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `None`: it belongs to the resource (a capacity).
    pub route: Option<String>,
    /// A resource, or `calls of CHILD`.
    pub of: String,
    /// Before and after, per request (or the capacity).
    pub before: f64,
    pub after: f64,
    pub ratio: Range,
}

/// p99 of a route at the current traffic, seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteP99 {
    pub route: String,
    pub before: f64,
    pub after: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Load line before and after, entry requests per second.
    pub before: Range,
    pub after: Range,
    pub before_safe: f64,
    pub after_safe: f64,
    /// Headroom after over before.
    pub gain: Range,
    /// Demand of each route on each resource, at full traffic.
    pub demand: Vec<Change>,
    /// The same as a canary with `canary_share` of the traffic shows it (a cache then sees fewer lookups).
    pub canary: Vec<Change>,
    pub canary_share: f64,
    pub capacity: Vec<Change>,
    /// p99 of all entry routes at the current traffic, seconds.
    pub p99_before: Option<f64>,
    pub p99_after: Option<f64>,
    /// The same of each entry route.
    pub p99: Vec<RouteP99>,
    /// Dollars per 1000 entry requests at the current traffic, and at the safe line.
    pub cost_before: Option<f64>,
    pub cost_after: Option<f64>,
    pub full_cost_before: Option<f64>,
    pub full_cost_after: Option<f64>,
    pub limit_after: Option<Limit>,
    pub next_after: Option<Limit>,
}

/// What is changed, and how sure its effect is.
pub struct Question<'a> {
    pub fit: &'a Fit,
    pub system: &'a System,
    pub before: &'a LoadLine,
    pub after: &'a LoadLine,
    pub edits: &'a [Edit],
    pub uncertainty: f64,
    /// Measured over predicted gain of such moves so far; 1 when none was tried.
    pub prior: f64,
    pub cost_per_hour: f64,
    pub canary_share: f64,
    pub seed: u64,
}

pub fn predict(q: &Question) -> Predicted {
    let changed = transform(q.system, q.edits);
    let raw = ratio_of(q.before.headroom, q.after.headroom);
    let gain = 1.0 + (raw - 1.0) * q.prior.clamp(0.2, 1.5);
    let doubt = raw / gain.max(1e-9);
    let a = draws(q.system, q.before.line.max(q.before.current), q.seed, DRAWS);
    let b = draws(&changed, q.after.line.max(q.after.current), q.seed, DRAWS);
    // How far the effect itself may be off, in each draw.
    let effect = |i: usize| {
        (q.uncertainty * gain.max(1e-3).ln() * normal(mix(q.seed ^ mix(i as u64)))).exp()
    };
    let ratios: Vec<f64> = a
        .iter()
        .zip(&b)
        .enumerate()
        .map(|(i, (a, b))| b.0 / a.0 * effect(i))
        .collect();
    let lines: Vec<f64> = b.iter().enumerate().map(|(i, b)| b.0 * effect(i)).collect();
    let spread = |v: &[f64], around: f64| {
        let of = |p| quantile(v.iter().copied(), p).unwrap_or(1.0);
        let middle = of(0.5).max(1e-12);
        Range {
            value: around,
            low: around * (of(0.05) / middle).min(1.0),
            high: around * (of(0.95) / middle).max(1.0),
        }
    };
    let line = q.after.line / doubt;
    let tenth = quantile(lines.iter().copied(), 0.1).unwrap_or(1.0);
    let middle = quantile(lines.iter().copied(), 0.5)
        .unwrap_or(1.0)
        .max(1e-12);
    let own_safe = q.after.safe / doubt;
    let all: Vec<f64> = a.iter().map(|d| d.0).collect();
    let bill: f64 = q
        .fit
        .resources
        .iter()
        .filter_map(|r| r.info.price_per_hour)
        .sum();
    let priced = |rate| crate::cost::per_1000(bill, rate);
    let priced_after =
        |rate| crate::cost::per_1000(bill + q.cost_per_hour, rate).filter(|_| bill > 0.0);
    let after_safe = own_safe.min(line * (tenth / middle).min(1.0));
    Predicted {
        before: spread(&all, q.before.line),
        after: spread(&lines, line),
        before_safe: q.before.safe,
        after_safe,
        gain: spread(&ratios, gain),
        demand: demand_changes(q.system, &changed, q.before.current, q.uncertainty),
        canary: demand_changes(
            q.system,
            &changed,
            q.before.current * q.canary_share,
            q.uncertainty,
        ),
        canary_share: q.canary_share,
        capacity: capacity_changes(q.system, &changed, q.uncertainty),
        p99_before: q.before.p99_now,
        p99_after: q.after.p99_now,
        p99: p99s(q.before, q.after),
        cost_before: priced(q.before.current),
        cost_after: priced_after(q.after.current),
        full_cost_before: priced(q.before.safe),
        full_cost_after: priced_after(after_safe),
        limit_after: q.after.limit.clone(),
        next_after: q.after.next.clone(),
    }
}

/// By what a line is lifted. Over one that carries nothing a ratio says nothing: it is told over the traffic of now.
fn ratio_of(before: f64, after: f64) -> f64 {
    match before > 1e-9 {
        true => after / before,
        false => after.max(1.0),
    }
}

fn p99s(before: &LoadLine, after: &LoadLine) -> Vec<RouteP99> {
    let pairs = before.routes.iter().zip(&after.routes);
    let one = |(a, b): (&RouteLine, &RouteLine)| {
        Some(RouteP99 {
            route: a.route.clone(),
            before: a.p99_now?,
            after: b.p99_now?,
        })
    };
    pairs.filter_map(one).collect()
}

fn ratio(before: f64, after: f64, uncertainty: f64) -> Range {
    let value = after / before;
    let power = |p: f64| value.max(1e-6).powf(p);
    let (a, b) = (
        power(1.0 + 1.64 * uncertainty),
        power(1.0 - 1.64 * uncertainty),
    );
    Range {
        value,
        low: a.min(b),
        high: a.max(b),
    }
}

/// What one request of a route uses, before and after, where it changes by more than 1 %.
pub fn demand_changes(before: &System, after: &System, rate: f64, uncertainty: f64) -> Vec<Change> {
    let (was, is) = (before.at(rate), after.at(rate));
    let differs = |a: f64, b: f64| a > 1e-9 && (b / a - 1.0).abs() > 0.01;
    let mut out = Vec::new();
    for (r, route) in was.routes.iter().enumerate() {
        let mut change = |of: String, a: f64, b: f64| {
            if differs(a, b) {
                out.push(Change {
                    route: Some(route.info.name.clone()),
                    of,
                    before: a,
                    after: b,
                    ratio: ratio(a, b, uncertainty),
                });
            }
        };
        for (k, resource) in was.resources.iter().enumerate() {
            change(
                resource.info.name.clone(),
                was.demand[r][k].mean,
                is.demand[r][k].mean,
            );
        }
        for (c, &a) in (was.calls[r].iter().enumerate()).filter(|(_, a)| **a > 0.0) {
            let b = is.calls[r].get(c).copied().unwrap_or(0.0);
            change(format!("calls of {}", was.routes[c].info.name), a, b);
        }
    }
    out
}

fn capacity_changes(before: &System, after: &System, uncertainty: f64) -> Vec<Change> {
    let pairs = before.fit.resources.iter().zip(&after.fit.resources);
    pairs
        .filter(|(a, b)| a.capacity > 0.0 && (b.capacity / a.capacity - 1.0).abs() > 0.01)
        .map(|(a, b)| Change {
            route: None,
            of: a.info.name.clone(),
            before: a.capacity,
            after: b.capacity,
            ratio: ratio(a.capacity, b.capacity, uncertainty),
        })
        .collect()
}
