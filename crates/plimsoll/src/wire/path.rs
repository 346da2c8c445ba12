//! What the running gateway tells the console of itself: instances, and what gates decided.

use base::Names;
use console::{DataPath, Decision, Instance};
use gateway::upstream::health::{Check, Ejection, State};
use gateway::{Gateway, Gauges, PoolGauge};
use past::Worth;
use std::sync::{Arc, Mutex};

pub struct Path {
    pub gateway: Arc<Mutex<Option<Gateway>>>,
    pub names: Names,
}

impl Path {
    /// `None`: the gateway has been stopped.
    fn gauges(&self) -> Option<Gauges> {
        let gateway = self.gateway.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map(Gateway::gauges)
    }
}

impl DataPath for Path {
    fn instances(&self) -> Vec<Instance> {
        let gauges = self.gauges();
        gauges.iter().flat_map(|g| &g.pools).map(instance).collect()
    }

    fn decisions(&self) -> Vec<Decision> {
        let Some(g) = self.gauges() else {
            return Vec::new();
        };
        let tallied = g
            .decisions
            .iter()
            .map(|d| Decision::new(d.gate, &d.of, d.what, d.count));
        let mut all: Vec<Decision> = tallied.collect();
        for r in &g.rates {
            let Some(name) = self.names.routes.name(r.route) else {
                continue;
            };
            all.push(Decision::new("rate", &name, "refused", r.refused));
            all.push(Decision::new("rate", &name, "would_refuse", r.would_refuse));
        }
        for l in &g.limits {
            let c = &l.counts;
            let counts = [
                ("waited", c.waited),
                ("refused", c.refused),
                ("would_refuse", c.would_refuse),
            ];
            all.extend(counts.map(|(what, n)| Decision::new("limit", &l.service, what, n)));
        }
        all
    }

    fn business(&self) -> Vec<Worth> {
        let gateway = self.gateway.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map(Gateway::business).unwrap_or_default()
    }
}

fn instance(p: &PoolGauge) -> Instance {
    let (service, address) = p.name.split_once('/').unwrap_or(("", &p.name));
    Instance {
        service: service.into(),
        address: address.into(),
        usable: p.usable,
        state: state(&p.health, p.usable).into(),
        busy: p.busy,
        waiting: p.waiting,
    }
}

fn state(s: &State, usable: bool) -> &'static str {
    match (s.check, s.ejection) {
        (Check::Down, _) => "down: its check fails",
        (_, Ejection::Until(_)) if !usable && s.outlier => "ejected: unlike the others",
        (_, Ejection::Until(_)) if !usable => "ejected: it failed",
        (_, Ejection::Until(_) | Ejection::Probation(_)) => "up, on probation",
        (Check::Unknown, _) => "up, not checked yet",
        (Check::Up, _) => "up",
    }
}
