//! Objectives as documents of OpenSLO: each service that has one, then each objective.

use super::{MONTH, TYPE, VERSION, condition, time};
use crate::rules::round;
use crate::{Objective, Scope, yaml};
use config::sections::SloWindow;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name that OpenSLO takes.
const MAX_NAME: usize = 63;

/// Names of OpenSLO for ours: lower case, digits and dashes, each once.
#[derive(Default)]
struct Names {
    given: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Names {
    fn name(&mut self, ours: &str) -> String {
        if let Some(name) = self.given.get(ours) {
            return name.clone();
        }
        let plain = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        };
        let text: String = ours.chars().map(plain).take(MAX_NAME - 4).collect();
        let text = match text.trim_matches('-') {
            "" => "unnamed",
            text => text,
        };
        let mut name = text.to_owned();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{text}-{n}");
        }
        self.given.insert(ours.into(), name.clone());
        name
    }
}

pub fn export(objectives: &[Objective]) -> String {
    let (mut services, mut names) = (Names::default(), Names::default());
    let mut documents: Vec<Value> = Vec::new();
    for o in objectives {
        if !services.given.contains_key(&o.service) {
            let name = services.name(&o.service);
            documents.push(service(&name, o));
        }
    }
    for o in objectives {
        documents.push(slo(&names.name(&o.id), &services.name(&o.service), o));
    }
    let text = documents.iter().map(yaml::write);
    text.collect::<Vec<_>>().join("---\n")
}

fn service(name: &str, o: &Objective) -> Value {
    let mut metadata = json!({ "name": name, "displayName": o.service });
    if let Some(owner) = &o.owner {
        metadata["annotations"] = json!({ "plimsoll.dev/owner": owner });
    }
    json!({
        "apiVersion": VERSION,
        "kind": "Service",
        "metadata": metadata,
        "spec": { "description": format!("service {} behind Plimsoll", o.service) },
    })
}

fn slo(name: &str, service: &str, o: &Objective) -> Value {
    let source = |good: Option<String>| {
        let mut spec = match o.scope {
            Scope::Route => json!({ "route": o.name }),
            Scope::Service => json!({ "service": o.name }),
        };
        if let Some(good) = good {
            spec["good"] = json!(good);
        }
        json!({ "metricSource": { "type": TYPE, "spec": spec } })
    };
    json!({
        "apiVersion": VERSION,
        "kind": "SLO",
        "metadata": {
            "name": name,
            "displayName": format!("{} {}: {}", o.scope.word(), o.name, o.kind.word()),
        },
        "spec": {
            "description": o.text(),
            "service": service,
            "indicator": {
                "metadata": { "name": name },
                "spec": { "ratioMetric": {
                    "counter": true,
                    "good": source(Some(condition(o.kind))),
                    "total": source(None),
                } },
            },
            "timeWindow": [window(o.window)],
            "budgetingMethod": "Occurrences",
            "objectives": [{ "displayName": o.text(), "target": round(o.target) }],
        },
    })
}

fn window(window: SloWindow) -> Value {
    match window {
        SloWindow::Rolling(d) => json!({ "duration": time(d), "isRolling": true }),
        SloWindow::Month => json!({
            "duration": MONTH,
            "isRolling": false,
            // Any first of a month: they all begin there.
            "calendar": { "startTime": "2026-01-01 00:00:00", "timeZone": "UTC" },
        }),
    }
}
