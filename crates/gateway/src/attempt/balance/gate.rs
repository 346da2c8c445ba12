//! The choice of an instance as a gate, and what its answer teaches: load for the next choices, health for ejection.

use super::core::Field;
use super::load::{Ending, Load};
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::upstream::health::{Event, Members};
use crate::upstream::{Instance, Service};
use base::Nanos;
use std::sync::Arc;
use std::time::Duration;

/// On every route. Loads and health belong to the instances, whatever route or generation asks.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let load = |i: &Arc<Instance>| {
        let name = format!("{}/{}", m.service.name, i.address);
        m.kept.get(&name, Load::default)
    };
    Some(Arc::new(Balance {
        service: m.service.clone(),
        loads: m.service.instances.iter().map(load).collect(),
        health: Members::of(m.kept, m.service),
    }))
}

struct Balance {
    service: Arc<Service>,
    /// In the order of the service's instances.
    loads: Vec<Arc<Load>>,
    health: Members,
}

/// The slot: index of the instance with the seconds of its `Retry-After` above it, and the start of the attempt.
const INDEX_BITS: u32 = 16;

impl Gate for Balance {
    fn name(&self) -> &'static str {
        "balance"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let instances = &self.service.instances;
        let tried = x.tried.iter().fold(0u64, |bits, ix| {
            let at = instances.iter().position(|i| i.ix == *ix);
            bits | at.filter(|i| *i < 64).map_or(0, |i| 1 << i)
        });
        let random = x.random();
        let field = Field {
            count: instances.len(),
            usable: |i: usize| self.health.usable(i, now),
            cost: |i: usize| self.loads[i].cost(now),
            tried,
        };
        let Some(pick) = field.pick(random) else {
            let detail = format!("service {} has no instances", self.service.name);
            return Step::Answer(Reply::problem(503, "no-instance", &detail));
        };
        self.loads[pick.index].begin();
        x.instance = Some(instances[pick.index].clone());
        *slot = Slot::Pair(pick.index as u64, now.0);
        Step::Go
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Slot::Pair(index, _) = slot
            && matches!(out.head.status(), 429 | 503)
            && let Some(asked) = out
                .head
                .get("retry-after")
                .and_then(crate::retry::retry_after)
        {
            *index |= asked.as_secs() << INDEX_BITS;
        }
    }

    /// `facts.status` is what the instance sent, 502 or 504 when it failed or was late, 0 when the client left first.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        let Slot::Pair(word, start) = slot.take() else {
            return;
        };
        let index = (word & ((1 << INDEX_BITS) - 1)) as usize;
        let asked = word >> INDEX_BITS;
        let took = facts.first_byte.unwrap_or(now).since(Nanos(start));
        let how = match facts.status {
            429 | 502..=504 => Ending::Unavailable {
                retry_after: (asked > 0).then_some(Duration::from_secs(asked)),
            },
            s if s >= 500 => Ending::Failed(took),
            // A client that left had waited this long at least.
            _ => Ending::Answered(took),
        };
        self.loads[index].end(how, now);
        let event = match facts.status {
            0 => return,
            s if s >= 500 => Event::Failure,
            _ => Event::Success,
        };
        self.health.report(index, event, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn an_instance_that_fails_is_left_alone_and_pending_returns_to_zero() {
        let b = Bench::default();
        let gate = make(&b.making()).unwrap();
        let mut counts = [0; 2];
        for i in 0..200u64 {
            let mut run = b.run_at(&*gate, "GET", "/", &[], Nanos(1 + i * 1_000_000));
            let chosen = run.facts.instance.clone().unwrap();
            let bad = chosen.ix == b.service.instances[0].ix;
            counts[bad as usize] += 1;
            run.facts.status = if bad { 502 } else { 200 };
            run.facts.first_byte = Some(run.now + Duration::from_micros(500));
            let end = run.now + Duration::from_millis(1);
            gate.leave(&mut run.facts, &mut run.slot, end);
        }
        assert!(counts[1] < 20, "{counts:?}");
        for i in &b.service.instances {
            let load = b.kept.get(&format!("s/{}", i.address), Load::default);
            assert_eq!(load.pending(), 0);
        }
    }

    #[test]
    fn a_second_try_goes_elsewhere() {
        let b = Bench::default();
        let gate = make(&b.making()).unwrap();
        for i in 0..50 {
            let first = b.service.instances[i % 2].ix;
            let run = b.run_with(&*gate, |facts| facts.tried.push(first));
            assert_ne!(run.facts.instance.unwrap().ix, first);
        }
    }
}
