//! What can be turned in a question: a number of each change that fits what was learned, with its bounds. Pure.

use base::{Class, Discipline, Scope};
use maud::{Markup, html};
use model::Fit;
use model::fit::ResourceFit;
use std::collections::{BTreeMap, BTreeSet};

/// Of each kind; the ones that matter most come first.
const MOST: usize = 3;
/// Fewer lookups tell nothing about what a cache would answer, as in the move.
const LOOKUPS: f64 = 200.0;
/// Longest lifetime of a cache that is offered, seconds.
const LONGEST_S: f64 = 60.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// As `plimsoll whatif` has it.
    pub verb: &'static str,
    /// Of a service, resource or route.
    pub of: String,
    pub label: String,
    pub unit: &'static str,
    pub low: f64,
    pub high: f64,
    /// Where it changes nothing.
    pub now: f64,
}

impl Knob {
    /// In the address.
    pub fn name(&self) -> String {
        format!("{}.{}", self.verb, self.of)
    }

    /// What was asked for, within the bounds.
    fn at(&self, asked: &BTreeMap<String, String>) -> f64 {
        let value = asked
            .get(&self.name())
            .and_then(|v| v.parse::<f64>().ok())
            .filter(|v| v.is_finite());
        value.map_or(self.now, |v| v.max(self.low).min(self.high))
    }

    /// The change in words; `None`: it stands where it is.
    pub fn clause(&self, asked: &BTreeMap<String, String>) -> Option<String> {
        let value = self.at(asked);
        let unit = if self.verb == "cache" { "s" } else { "" };
        // A value that is no number is where it is.
        ((value - self.now).abs() > 1e-9)
            .then(|| format!("{} {} {value}{unit}", self.verb, self.of))
    }
}

/// `proposed`: names of what advice would change; they come first.
pub fn knobs(fit: &Fit, proposed: &[String]) -> Vec<Knob> {
    let mut all = caches(fit);
    all.extend(instances(fit));
    all.extend(cores(fit));
    all.extend(pools(fit));
    let is_proposed = |k: &Knob| proposed.contains(&k.of);
    all.sort_by_key(|k| !is_proposed(k));
    all
}

/// The fullest first.
fn fullest(fit: &Fit, fits: impl Fn(&ResourceFit) -> bool) -> Vec<&ResourceFit> {
    let mut all: Vec<_> = fit.resources.iter().filter(|r| fits(r)).collect();
    all.sort_by(|a, b| b.utilisation.total_cmp(&a.utilisation));
    all
}

/// Routes that a cache could answer, those that use most of the fullest resource first.
fn caches(fit: &Fit) -> Vec<Knob> {
    let full = |k: &usize| fit.resources.get(*k).map_or(0.0, |r| r.utilisation);
    let hot = (0..fit.resources.len()).max_by(|a, b| full(a).total_cmp(&full(b)));
    let uses = |r: usize| {
        let demand = fit.demand.get(r).zip(hot).and_then(|(d, k)| d.get(k));
        demand.map_or(0.0, |d| d.mean) * fit.routes.get(r).map_or(0.0, |x| x.rate)
    };
    let known = |r: &usize| {
        let ghost = fit.routes.get(*r).and_then(|x| x.ghost.as_ref());
        fit.routes.get(*r).is_some_and(|x| x.info.safe)
            && ghost.is_some_and(|g| g.lookups >= LOOKUPS)
    };
    let mut all: Vec<usize> = (0..fit.routes.len()).filter(known).collect();
    all.sort_by(|a, b| uses(*b).total_cmp(&uses(*a)));
    let routes = all.into_iter().filter_map(|r| fit.routes.get(r)).take(MOST);
    let knob = |r: &model::fit::RouteFit| Knob {
        verb: "cache",
        label: format!("Cache {} for", r.info.name),
        of: r.info.name.clone(),
        unit: "s",
        low: 0.0,
        high: LONGEST_S,
        now: r.info.cached_ttl_s.unwrap_or(0.0).min(LONGEST_S).round(),
    };
    routes.map(knob).collect()
}

fn instances(fit: &Fit) -> Vec<Knob> {
    let mut seen = BTreeSet::new();
    let owned = fullest(fit, |r| {
        r.info.scope == Scope::PerInstance && r.info.service.is_some()
    });
    let of = |r: &&ResourceFit| Some((r.info.service.clone()?, f64::from(r.instances.max(1))));
    let services = owned
        .iter()
        .filter_map(of)
        .filter(|(s, _)| seen.insert(s.clone()));
    let knob = |(service, now): (String, f64)| Knob {
        verb: "replica",
        label: format!("Instances of {service}"),
        of: service,
        unit: "",
        low: 1.0,
        high: (4.0 * now).max(8.0),
        now,
    };
    services.take(MOST).map(knob).collect()
}

fn cores(fit: &Fit) -> Vec<Knob> {
    let processors = fullest(fit, |r| {
        let i = &r.info;
        i.class == Class::Compute
            && i.discipline == Discipline::Ps
            && !i.serial
            && i.service.is_some()
    });
    let knob = |r: &&ResourceFit| Knob {
        verb: "cores",
        label: format!("Cores of each instance, {}", r.info.name),
        of: r.info.name.clone(),
        unit: "",
        // Steps are whole, so that what is now is one of them.
        low: if r.each() < 1.0 {
            r.each()
        } else {
            1.0 + r.each().fract()
        },
        high: (4.0 * r.each()).max(8.0),
        now: r.each(),
    };
    processors.iter().take(MOST).map(knob).collect()
}

fn pools(fit: &Fit) -> Vec<Knob> {
    let slots = fullest(fit, |r| {
        r.info.discipline == Discipline::Slots && r.capacity >= 1.0
    });
    let knob = |r: &&ResourceFit| Knob {
        verb: "pool",
        label: format!("Slots of {}", r.info.name),
        of: r.info.name.clone(),
        unit: "",
        low: 1.0,
        high: (4.0 * r.capacity).max(16.0).ceil(),
        now: r.capacity.round(),
    };
    slots.iter().take(MOST).map(knob).collect()
}

/// A slider with its number beside it; `i`: which of the page's.
pub fn slider(i: usize, k: &Knob, asked: &BTreeMap<String, String>) -> Markup {
    let (name, value) = (k.name(), k.at(asked));
    let id = format!("knob-{i}");
    let said = |v: f64| {
        format!("{} {}", (v * 100.0).round() / 100.0, k.unit)
            .trim_end()
            .to_owned()
    };
    html! {
        div.knob {
            label for=(id) { (k.label) }
            output for=(id) { (said(value)) }
            input id=(id) type="range" name=(name) min=(k.low) max=(k.high) step="1" value=(value)
                data-unit=(k.unit) aria-valuetext=(said(value)) aria-describedby={ (id) "-now" };
            small id={ (id) "-now" } { "now " (said(k.now)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resource(name: &str, capacity: f64, utilisation: f64) -> Value {
        let mut info = serde_json::to_value(base::ResourceInfo::from_name(name)).unwrap();
        info["serial"] = (name == "cpu.node").into();
        json!({ "info": info, "capacity": capacity, "capacity_sd": 0.0, "capacity_known": true, "background": 0.0,
            "background_sd": 0.0, "utilisation": utilisation, "utilisation_max": utilisation, "waiting": null,
            "instances": 1, "grade": "direct", "notes": [] })
    }

    fn fit() -> Fit {
        let objective = json!({ "latency_s": 0.1, "target": 0.99, "assumed": false });
        let route = |name: &str, safe: bool| {
            json!({ "info": { "name": name, "service": "front", "objective": null, "safe": safe, "cached_ttl_s": null },
                "objective": objective, "rate": 10.0, "entry_rate": 10.0, "count": 100.0, "low_mean": 0.0, "low_var": 0.0,
                "p99": 0.0, "p99_top": 0.0, "errors": 0.0, "amplification": 1.0, "bytes_out": 0.0, "db_calls": 0.0,
                "db_rows": 0.0, "db_returned": 0.0, "unexplained": 0.0,
                "ghost": { "lookups": 500.0, "ratio": [], "bytes": 0.0 } })
        };
        let demand = |mean: f64| json!({ "mean": mean, "sd": 0.0, "scv": null, "grade": "direct" });
        let row = |mean: f64| json!([demand(mean), demand(0.0), demand(0.0)]);
        serde_json::from_value(json!({
            "routes": [route("list", true), route("product", true), route("buy", false)],
            "resources": [resource("cpu.front", 2.0, 0.6), resource("pool.front.db", 8.0, 0.3), resource("cpu.node", 1.0, 0.1)],
            "demand": [row(0.001), row(0.004), row(0.002)],
            "calls": [], "child_seconds": [], "growth": [], "span_s": 60.0, "unexplained": 0.0,
            "burst_sigma": 0.0, "burst_tau_s": 1.0, "entry_rates": [],
        }))
        .unwrap()
    }

    #[test]
    fn each_change_that_fits_has_a_knob_and_a_clause_when_it_is_turned() {
        let all = knobs(&fit(), &["pool.front.db".into()]);
        let names: Vec<String> = all.iter().map(Knob::name).collect();
        assert_eq!(
            names,
            [
                "pool.pool.front.db",
                "cache.product",
                "cache.list",
                "replica.front",
                "replica.node",
                "cores.cpu.front"
            ]
        );
        let cores = all.iter().find(|k| k.verb == "cores").unwrap();
        assert_eq!((cores.low, cores.high, cores.now), (1.0, 8.0, 2.0));
        let asked = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(cores.clause(&BTreeMap::new()), None);
        assert_eq!(cores.clause(&asked("cores.cpu.front", "2")), None);
        assert_eq!(
            cores.clause(&asked("cores.cpu.front", "4")).unwrap(),
            "cores cpu.front 4"
        );
        assert_eq!(
            cores.clause(&asked("cores.cpu.front", "1e9")).unwrap(),
            "cores cpu.front 8"
        );
        assert_eq!(cores.clause(&asked("cores.cpu.front", "NaN")), None);
        assert_eq!(
            all[1].clause(&asked("cache.product", "10")).unwrap(),
            "cache product 10s"
        );
        let shown = slider(0, cores, &asked("cores.cpu.front", "4")).into_string();
        assert!(
            shown.contains("type=\"range\"") && shown.contains("aria-valuetext=\"4\""),
            "{shown}"
        );
        assert!(shown.contains("now 2"), "{shown}");
    }
}
