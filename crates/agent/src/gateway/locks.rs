//! Which waiters of other hosts wait for locks: their looks beside what was in flight here at the same moment. Pure.

use crate::message::{Instance, Look};
use base::{InstanceIx, Nanos};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use telemetry::probes::waiters::Watch;

/// Moments remembered at ten a second: longer than a reading takes.
const MOMENTS: usize = 100;
/// A look and a moment further apart have nothing to do with each other.
const APART: Duration = Duration::from_millis(100);

/// Requests in flight at the instances that agents see, lately.
#[derive(Debug, Default)]
pub struct Flights {
    moments: VecDeque<(Nanos, BTreeMap<InstanceIx, u32>)>,
}

impl Flights {
    pub fn push(&mut self, now: Nanos, in_flight: BTreeMap<InstanceIx, u32>) {
        if self.moments.len() == MOMENTS {
            self.moments.pop_front();
        }
        self.moments.push_back((now, in_flight));
    }

    fn at(&self, when: Nanos, instance: InstanceIx) -> Option<u32> {
        let apart = |m: Nanos| m.since(when).max(when.since(m));
        let nearest = self.moments.iter().min_by_key(|m| apart(m.0))?;
        (apart(nearest.0) <= APART).then(|| nearest.1.get(&instance).copied().unwrap_or(0))
    }
}

/// The locks of an agent's instances.
#[derive(Default)]
pub struct Locks {
    watches: BTreeMap<Instance, Watch>,
}

impl Locks {
    /// Takes the looks of one reading; gives the waiter-seconds per second of each instance that has locks, and how
    /// many it has.
    pub fn take(
        &mut self,
        looks: &[Look],
        flights: &Flights,
        known: &BTreeMap<Instance, InstanceIx>,
    ) -> Vec<(Instance, f64, usize)> {
        self.watches.retain(|i, _| known.contains_key(i));
        for look in looks {
            let Some(in_flight) = known
                .get(&look.instance)
                .and_then(|ix| flights.at(look.at, *ix))
            else {
                continue;
            };
            let watch = self.watches.entry(look.instance.clone()).or_default();
            watch.tick(f64::from(in_flight), &look.waiters);
        }
        let waiting = |(i, w): (&Instance, &mut Watch)| {
            let (waiting, locks) = w.waiting()?;
            Some((i.clone(), waiting, locks))
        };
        self.watches.iter_mut().filter_map(waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_that_rise_with_what_is_in_flight_are_at_a_lock() {
        let instance = Instance {
            service: "shop".into(),
            address: "10.0.0.2:1".into(),
        };
        let known = BTreeMap::from([(instance.clone(), InstanceIx(3))]);
        let (mut flights, mut locks) = (Flights::default(), Locks::default());
        let mut told = Vec::new();
        for tick in 0..400u64 {
            let at = Nanos(tick * 100_000_000);
            let busy = tick / 7 % 2 == 1;
            let n = if busy { 5 } else { 0 };
            flights.push(at, BTreeMap::from([(InstanceIx(3), n)]));
            let waiters = if busy { 4.0 } else { 0.0 };
            let look = Look {
                at: at + Duration::from_millis(20),
                instance: instance.clone(),
                waiters: BTreeMap::from([(0xa, waiters), (0xb, 4.0 - waiters)]),
            };
            told.extend(locks.take(&[look], &flights, &known));
        }
        assert!(told.iter().all(|t| t.2 == 1), "the idle workers are none");
        assert!(told.iter().any(|t| t.1 == 4.0) && told.iter().any(|t| t.1 == 0.0));
        let elsewhen = Look {
            at: Nanos::from_secs_f64(1e4),
            instance: instance.clone(),
            waiters: BTreeMap::from([(0xa, 4.0)]),
        };
        assert_eq!(flights.at(elsewhen.at, InstanceIx(3)), None);
    }
}
