//! What each resource offers: measured by probes, declared, or a default that says so.

use base::{Discipline, History, InstanceIx, Scope};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// All instances together, per second; 0: unknown.
    pub total: f64,
    pub sd: f64,
    pub known: bool,
    pub instances: u32,
}

/// How far back an instance may have been seen last and still count, seconds.
const STILL_THERE_S: u64 = 15;
/// Relative standard deviation of a measured capacity (clock speed, neighbours).
pub const SPREAD: f64 = 0.03;

/// Readings of an instance that count: what it offered before a change it does not offer now.
const READINGS: f64 = 60.0;

/// Capacity of resource `k`: the mean of the last readings per instance, summed over the instances that are still there.
pub fn capacity(history: &History, from: u64, k: usize) -> Capacity {
    let info = &history.resources[k];
    let mut by_instance: BTreeMap<InstanceIx, (f64, f64, u64)> = BTreeMap::new();
    let windows = history.windows.iter().rev().filter(|w| w.index >= from);
    let last = windows.clone().next().map_or(0, |w| w.index);
    for w in windows {
        for c in w.resources.iter().filter(|c| c.resource.get() == Some(k)) {
            let e = by_instance.entry(c.instance).or_default();
            e.2 = e.2.max(w.index);
            let told = c.capacity.filter(|v| *v < 1e15 && *v > 0.0);
            if let Some(v) = told.filter(|_| e.1 < READINGS) {
                e.0 += v;
                e.1 += 1.0;
            }
        }
    }
    by_instance.retain(|_, e| e.2 + STILL_THERE_S >= last);
    let declared = info.service.as_ref().and_then(|s| {
        let found = history.instances.iter().find(|(name, _)| name == s)?;
        Some(found.1)
    });
    let instances = match info.scope {
        Scope::Shared => 1,
        Scope::PerInstance if by_instance.is_empty() => declared.unwrap_or(1).max(1),
        Scope::PerInstance => by_instance.len() as u32,
    };
    let measured: Vec<f64> = by_instance
        .values()
        .filter(|e| e.1 > 0.0)
        .map(|e| e.0 / e.1)
        .collect();
    let of = |total: f64, known: bool| Capacity {
        total,
        sd: total * if known { SPREAD } else { 0.3 },
        known,
        instances,
    };
    if info.is_delay() {
        return of(0.0, false);
    }
    if !measured.is_empty() {
        // Instances that do not tell are taken to be like those that do.
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        let silent = f64::from(instances).max(measured.len() as f64);
        return of(mean * silent, true);
    }
    if let Some(size) = info.size.filter(|s| s.is_finite() && *s > 0.0) {
        return of(size * f64::from(instances), true);
    }
    match info.discipline {
        Discipline::Fcfs if !info.unit.starts_with("bytes") => of(f64::from(instances), false),
        Discipline::Ps => of(f64::from(instances), false),
        _ => of(0.0, false),
    }
}
