//! `Server-Timing` of a response into the uses of its attempt. Names are interned once per thread, and the sizes that
//! upstreams tell of their resources are handed on to who wants to know capacities.

use base::sample::USES;
use base::{InstanceIx, Names, ResourceIx, Sample, Use, server_timing};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;

/// Names that one thread remembers, and sizes that are kept in all.
const REMEMBERED: usize = 1024;
const SIZES: usize = 4096;

/// What upstreams told of the size of their resources.
#[derive(Default)]
pub struct Sizes(Mutex<HashMap<(ResourceIx, InstanceIx), f64>>);

impl Sizes {
    fn tell(&self, resource: ResourceIx, instance: InstanceIx, size: f64) {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if all.len() < SIZES || all.contains_key(&(resource, instance)) {
            all.insert((resource, instance), size);
        }
    }

    pub fn all(&self) -> Vec<(ResourceIx, InstanceIx, f64)> {
        let all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut list: Vec<_> = all.iter().map(|((r, i), s)| (*r, *i, *s)).collect();
        list.sort_by_key(|(r, i, _)| (*r, *i));
        list
    }
}

/// The resources of one service, by metric name.
type Resources = HashMap<Box<str>, ResourceIx>;

/// One thread's memory of names and of sizes told already.
#[derive(Default)]
pub struct Timing {
    /// By service.
    names: RefCell<HashMap<Box<str>, Resources>>,
    told: RefCell<HashMap<(ResourceIx, InstanceIx), f64>>,
}

impl Timing {
    /// Adds what `value` says to the attempt's sample. Uses beyond the sample's room are left out.
    pub fn read(
        &self,
        value: &[u8],
        service: &str,
        names: &Names,
        sizes: &Sizes,
        sample: &mut Sample,
    ) {
        let Ok(value) = std::str::from_utf8(value) else {
            return;
        };
        for m in server_timing::parse(value) {
            let resource = self.resource(m.name, service, names);
            if resource.is_none() {
                continue;
            }
            if let Some(size) = m.size.filter(|s| *s > 0.0)
                && self.told.borrow().get(&(resource, sample.instance)) != Some(&size)
            {
                let mut told = self.told.borrow_mut();
                if told.len() < SIZES {
                    told.insert((resource, sample.instance), size);
                }
                sizes.tell(resource, sample.instance, size);
            }
            let count = |n: Option<f64>| n.map_or(0, |n| n as u32);
            sample.db_calls = sample.db_calls.saturating_add(count(m.calls));
            sample.db_rows = sample.db_rows.saturating_add(count(m.rows));
            sample.db_returned = sample.db_returned.saturating_add(count(m.returned));
            let one = Use {
                resource,
                busy_us: micros(m.dur_ms),
                wait_us: m.wait_ms.map_or(u32::MAX, micros),
            };
            add(&mut sample.uses, one);
        }
    }

    fn resource(&self, metric: &str, service: &str, names: &Names) -> ResourceIx {
        let mut all = self.names.borrow_mut();
        if let Some(ix) = all.get(service).and_then(|s| s.get(metric)) {
            return *ix;
        }
        let ix = names
            .resources
            .intern(&server_timing::resource_name(metric, service));
        if all.values().map(HashMap::len).sum::<usize>() < REMEMBERED {
            all.entry(service.into())
                .or_default()
                .insert(metric.into(), ix);
        }
        ix
    }
}

/// Milliseconds to microseconds; one below the mark for "not told".
fn micros(ms: f64) -> u32 {
    (ms * 1000.0).round().min((u32::MAX - 1) as f64) as u32
}

/// The same resource twice in one response is one use.
fn add(uses: &mut [Use; USES], one: Use) {
    for u in uses {
        if u.resource == one.resource {
            u.busy_us = u.busy_us.saturating_add(one.busy_us);
            u.wait_us = match (u.wait_us, one.wait_us) {
                (u32::MAX, w) | (w, u32::MAX) => w,
                (a, b) => a.saturating_add(b).min(u32::MAX - 1),
            };
            return;
        }
        if u.resource.is_none() {
            *u = one;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Nanos, RouteIx, SampleKind};

    #[test]
    fn uses_sizes_and_database_counts_reach_the_sample() {
        let (timing, sizes, names) = (Timing::default(), Sizes::default(), Names::default());
        let mut s = Sample::new(SampleKind::Attempt, RouteIx(0), Nanos(0));
        s.instance = InstanceIx(7);
        let value =
            b"pool.db;dur=20;wait=1.5;size=8, db;dur=4;calls=2;rows=900;returned=10, pool.db;dur=1";
        for _ in 0..2 {
            s.uses = Default::default();
            (s.db_calls, s.db_rows, s.db_returned) = (0, 0, 0);
            timing.read(value, "front", &names, &sizes, &mut s);
        }
        let pool = names.resources.find("pool.front.db").unwrap();
        assert_eq!(
            s.uses[0],
            Use {
                resource: pool,
                busy_us: 21_000,
                wait_us: 1500
            }
        );
        assert_eq!(s.uses[1].wait_us, u32::MAX);
        assert_eq!((s.db_calls, s.db_rows, s.db_returned), (2, 900, 10));
        assert_eq!(sizes.all(), [(pool, InstanceIx(7), 8.0)]);
    }

    #[test]
    fn hostile_numbers_do_not_overflow_and_more_than_fit_are_left_out() {
        let (timing, sizes, names) = (Timing::default(), Sizes::default(), Names::default());
        let mut s = Sample::new(SampleKind::Attempt, RouteIx(0), Nanos(0));
        let value = b"cpu;dur=1e300;wait=1e300, cpu;dur=1e300;wait=1e300, lock.a;dur=1, lock.b;dur=1, lock.c;dur=1, lock.d;dur=1";
        timing.read(value, "s", &names, &sizes, &mut s);
        assert_eq!(s.uses[0].busy_us, u32::MAX);
        assert!(s.uses[0].wait_us < u32::MAX && s.uses.iter().all(|u| !u.resource.is_none()));
    }
}
