//! What upstreams told of their resources with `Server-Timing`, as resource cells: busy is the sum of what the
//! attempts that ended in a window held, capacity is the told size (a lock: 1), waiting the told waits.
//!
//! Applied to closed windows, because only then all reports of a second are in. Measured cells of the same resource
//! and instance win.

use base::{Class, Discipline, InstanceIx, Names, ResourceCell, ResourceIx, Window};
use std::collections::BTreeMap;

/// A resource that was not told of for this long is forgotten, seconds.
const FORGET_S: u64 = 60;
const RESOURCES: usize = 4096;

/// Remembers who tells of what, so that a second without reports is a zero and not a hole.
#[derive(Debug, Default)]
pub struct Told {
    known: BTreeMap<(ResourceIx, InstanceIx), Known>,
}

#[derive(Debug)]
struct Known {
    last: u64,
    size: Option<f64>,
    waits: bool,
}

impl Told {
    /// Adds cells for what was told in this window. `sizes` are those told so far.
    pub fn fill(&mut self, w: &mut Window, names: &Names, sizes: &[(ResourceIx, InstanceIx, f64)]) {
        let mut told: BTreeMap<(ResourceIx, InstanceIx), (f64, f64)> = BTreeMap::new();
        for u in &w.uses {
            let key = (u.resource, u.key.instance);
            let full = self.known.len() >= RESOURCES;
            let known = match self.known.get_mut(&key) {
                Some(k) => k,
                None if full => continue,
                None => self.known.entry(key).or_insert(Known {
                    last: w.index,
                    size: None,
                    waits: false,
                }),
            };
            known.last = w.index;
            known.waits |= u.waits > 0;
            let t = told.entry(key).or_default();
            t.0 += u.busy_s;
            t.1 += u.wait_s;
        }
        self.known.retain(|_, k| k.last + FORGET_S >= w.index);
        for &(resource, instance, size) in sizes {
            if let Some(k) = self.known.get_mut(&(resource, instance)) {
                k.size = Some(size);
            }
        }
        let mut explained: Vec<InstanceIx> = Vec::new();
        for (&(resource, instance), k) in &self.known {
            let name = names.resources.name(resource).unwrap_or_default();
            if k.waits && Class::from_name(&name) == Class::PoolOrLock {
                explained.push(instance);
            }
            if w.resources
                .iter()
                .any(|c| c.resource == resource && c.instance == instance)
            {
                continue;
            }
            let (busy, wait) = told.get(&(resource, instance)).copied().unwrap_or_default();
            let serial = Discipline::from_name(&name) == Discipline::Fcfs;
            w.resources.push(ResourceCell {
                resource,
                instance,
                busy,
                capacity: k.size.or(serial.then_some(1.0)),
                waiting: k.waits.then_some(wait),
                level: None,
                background: None,
            });
        }
        // An upstream that tells its waits has named what the sampled waiters wait for.
        w.resources.retain(|c| {
            let futex = || {
                names
                    .resources
                    .name(c.resource)
                    .is_some_and(|n| n.ends_with(".futex"))
            };
            !(explained.contains(&c.instance) && futex())
        });
        w.resources.sort_by_key(|c| (c.resource, c.instance));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::window::UseCell;
    use base::{Arm, CellKey, RouteIx};

    fn told(resource: ResourceIx, route: u16) -> UseCell {
        UseCell {
            key: CellKey {
                route: RouteIx(route),
                arm: Arm::BASE,
                instance: InstanceIx(0),
            },
            resource,
            count: 2,
            weight: 1.0,
            of: 0.0,
            busy_s: 0.2,
            busy_sq: 0.02,
            wait_s: 0.1,
            waits: 2,
            calls: 0.0,
            rows: 0.0,
            returned: 0.0,
        }
    }

    #[test]
    fn told_uses_become_cells_and_silence_a_zero() {
        let names = Names::default();
        let [lock, pool, cpu, futex] = [
            "lock.front.stock",
            "pool.front.db",
            "cpu.front",
            "lock.front.futex",
        ]
        .map(|n| names.resources.intern(n));
        let measured = |resource, waiting| ResourceCell {
            resource,
            instance: InstanceIx(0),
            busy: 0.7,
            capacity: None,
            waiting,
            level: None,
            background: None,
        };
        let mut w = Window {
            uses: vec![told(lock, 0), told(lock, 1), told(pool, 0), told(cpu, 0)],
            resources: vec![measured(cpu, None), measured(futex, Some(3.0))],
            ..Window::default()
        };
        let mut t = Told::default();
        let sizes = [(pool, InstanceIx(0), 8.0)];
        t.fill(&mut w, &names, &sizes);
        let of = |w: &Window, r| w.resources.iter().find(|c| c.resource == r).copied();
        let l = of(&w, lock).unwrap();
        assert_eq!((l.busy, l.capacity, l.waiting), (0.4, Some(1.0), Some(0.2)));
        assert_eq!(of(&w, pool).unwrap().capacity, Some(8.0));
        assert_eq!(of(&w, cpu).unwrap().busy, 0.7, "measured wins");
        assert_eq!(of(&w, futex), None, "the lock has a name now");
        let mut silent = Window {
            index: 1,
            ..Window::default()
        };
        t.fill(&mut silent, &names, &sizes);
        assert_eq!(of(&silent, lock).map(|c| c.busy), Some(0.0));
        let mut later = Window {
            index: 100,
            ..Window::default()
        };
        t.fill(&mut later, &names, &sizes);
        assert!(later.resources.is_empty());
    }
}
