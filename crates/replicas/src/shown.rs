//! How replications stand: as JSON for the API and `plimsoll replicas`, and for Prometheus.

use base::Nanos;
use gateway::Decision;
use gateway::replicas::{Group, Groups};
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;
use telemetry::prometheus::Page;

/// As `GET /api/v1/replicas` gives it. `decisions` are those of the gateway's gates.
pub fn shown(groups: &Groups, decisions: &[Decision], now: Nanos) -> Value {
    let all: Vec<Value> = groups.all().iter().map(|g| one(g, now)).collect();
    json!({ "replications": all, "routes": routes(decisions) })
}

fn one(group: &Group, now: Nanos) -> Value {
    let primary = group.primary(now);
    let database = |(i, d): (usize, &config::sections::Database)| {
        let known = group.known(i);
        let role = match known.is_primary {
            _ if primary == Some(i) => "primary",
            true => "deposed",
            false => "replica",
        };
        json!({
            "name": d.name, "role": role, "up": known.asked.is_some_and(|_| known.is_replica(now) || primary == Some(i)),
            "timeline": known.at.timeline, "position": known.at.to_string(), "lsn": known.at.lsn,
            "lag_s": known.lag(now).map(|l| l.as_secs_f64()), "wrong": known.wrong,
        })
    };
    let [taken, failed] = [0, 1].map(|i| group.samples[i].load(Relaxed));
    json!({
        "name": group.rules.name, "primary": primary.map(|p| group.rules.databases[p].name.clone()),
        "databases": group.rules.databases.iter().enumerate().map(database).collect::<Vec<_>>(),
        "samples": taken, "samples_failed": failed,
    })
}

/// By route, who answered reads.
fn routes(decisions: &[Decision]) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for d in decisions.iter().filter(|d| d.gate == "replica") {
        match all.last_mut() {
            Some(last) if last["route"] == d.of.as_str() => last[d.what] = d.count.into(),
            _ => all.push(json!({ "route": d.of, d.what: d.count })),
        }
    }
    for route in &mut all {
        let of = |what: &str| route[what].as_f64().unwrap_or(0.0);
        let sum: f64 = ["replica", "primary", "behind", "away"]
            .map(of)
            .iter()
            .sum();
        let share = of("replica") / sum.max(1.0);
        route["replica_share"] = share.into();
    }
    Value::Array(all)
}

/// Nothing without a replication.
pub fn metrics(groups: &Groups, now: Nanos) -> String {
    let (all, mut page) = (groups.all(), Page::default());
    if all.is_empty() {
        return String::new();
    }
    type Of = fn(&Group, usize, Nanos) -> Option<f64>;
    let families: [(&'static str, &str, Of); 4] = [
        (
            "plimsoll_replica_up",
            "Whether the database answers.",
            |g, i, now| {
                let known = g.known(i);
                Some(f64::from(
                    known.is_replica(now) || g.primary(now) == Some(i),
                ))
            },
        ),
        (
            "plimsoll_replica_timeline",
            "Goes up with promotions.",
            |g, i, _| Some(f64::from(g.known(i).at.timeline)),
        ),
        (
            "plimsoll_replica_position_bytes",
            "How far it is in the log.",
            |g, i, _| Some(g.known(i).at.lsn as f64),
        ),
        (
            "plimsoll_replica_lag_seconds",
            "How old what it shows may be.",
            |g, i, now| g.known(i).lag(now).map(|l| l.as_secs_f64()),
        ),
    ];
    for (name, help, of) in families {
        page.family(name, "gauge", help);
        for g in &all {
            for (i, d) in g.rules.databases.iter().enumerate() {
                let labels = [
                    ("replication", g.rules.name.as_str()),
                    ("database", d.name.as_str()),
                ];
                if let Some(value) = of(g, i, now) {
                    page.row("", &labels, value);
                }
            }
        }
    }
    page.finish()
}
