//! The choice of an instance as a gate, and what its answer teaches: load for the next choices, health for ejection.

use super::core::{Field, Pick};
use super::hashed::Hashed;
use super::key::key;
use super::load::{Ending, Load};
use super::pace::{Pace, fair};
use super::table::Table;
use super::zone::{Side, share};
use crate::attempt::limit::Limiter;
use crate::connection::grpc::{PUSHBACK, pushback};
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::retry::{Failure, asked};
use crate::upstream::health::{Event, Members, Watch};
use crate::upstream::{Instance, Service};
use base::Nanos;
use config::sections;
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
        route: (m.kept).get(&format!("route {}", m.route.name), Pace::default),
        all: (m.kept).get(&format!("service {}", m.service.name), Pace::default),
        hashed: m.service.config.balance.clone().and_then(|b| table(m, b)),
        limiter: m.kept.get(&m.service.name, Limiter::default),
        outliers: Watch::make(m),
        by_source: bound(m),
    }))
}

/// The instances that read from each database; empty: they are told by request, and any will do.
fn bound(m: &Making<'_>) -> Vec<Vec<usize>> {
    let name = m.service.config.replication.as_deref();
    let rules = m
        .replications
        .iter()
        .find(|r| Some(r.name.as_str()) == name);
    let (Some(rules), false) = (rules, m.service.reads_from.is_empty()) else {
        return Vec::new();
    };
    let of = |database: &config::sections::Database| {
        let from = m.service.reads_from.iter().enumerate();
        from.filter(|(_, name)| **name == database.name)
            .map(|(i, _)| i)
            .collect()
    };
    rules.databases.iter().map(of).collect()
}

/// Made once for all routes to the same instances.
fn table(m: &Making<'_>, rules: sections::Balance) -> Option<(sections::Balance, Arc<Table>)> {
    let instances = m.service.instances.iter();
    let names: Vec<String> = instances.map(|i| i.address.to_string()).collect();
    let id = format!("{:?} {names:?}", rules.method);
    let make = || Table::new(rules.method, &names);
    (names.len() > 1).then(|| (rules.clone(), m.kept.get(&id, make)))
}

struct Balance {
    service: Arc<Service>,
    /// In the order of the service's instances.
    loads: Vec<Arc<Load>>,
    health: Members,
    route: Arc<Pace>,
    all: Arc<Pace>,
    /// `None`: keys are not looked at.
    hashed: Option<(sections::Balance, Arc<Table>)>,
    limiter: Arc<Limiter>,
    /// `None`: nobody asks for them.
    outliers: Option<Watch>,
    by_source: Vec<Vec<usize>>,
}

/// The slot: index of the instance with the seconds of its `Retry-After` above it, and the start of the attempt.
const INDEX_BITS: u32 = 16;

impl Balance {
    fn pick(&self, x: &mut Exchange<'_>, now: Nanos) -> Option<Pick> {
        let instances = &self.service.instances;
        let tried = x.tried.iter().fold(0u64, |bits, ix| {
            let at = instances.iter().position(|i| i.ix == *ix);
            bits | at.filter(|i| *i < 64).map_or(0, |i| 1 << i)
        });
        if let Some((database, _)) = x.source
            && let Some(among) = self.by_source.get(usize::from(database))
        {
            return self.pick_among(among, tried, x.random(), now);
        }
        if let Some(index) = self.owner(x, tried, now) {
            return Some(Pick {
                index,
                panic: false,
            });
        }
        let random = x.random();
        let near = self.side(x, now);
        let field = |near: Option<bool>| Field {
            count: instances.len(),
            usable: move |i: usize| {
                near.is_none_or(|n| self.service.near[i] == n) && self.health.usable(i, now)
            },
            cost: |i: usize| self.loads[i].cost(now),
            tried,
        };
        let one_side = near.and_then(|_| field(near).pick_usable(random));
        one_side.or_else(|| field(None).pick(random))
    }

    /// One of those that read from the database that was chosen; no other will do.
    fn pick_among(&self, among: &[usize], tried: u64, random: u64, now: Nanos) -> Option<Pick> {
        let was_tried = |i: &usize| *i < 64 && tried >> i & 1 == 1;
        let tried = among.iter().take(64).enumerate();
        let field = Field {
            count: among.len(),
            usable: |k: usize| self.health.usable(among[k], now),
            cost: |k: usize| self.loads[among[k]].cost(now),
            tried: tried.fold(0, |bits, (k, i)| bits | u64::from(was_tried(i)) << k),
        };
        let pick = field.pick(random)?;
        Some(Pick {
            index: among[pick.index],
            ..pick
        })
    }

    /// What an answer tells of the load of an instance.
    fn fair(&self, took: Duration) -> Duration {
        match self.loads.len() {
            0..2 => took,
            _ => fair(took, self.route.learn(took), self.all.learn(took)),
        }
    }

    /// The load that the others would have more of without an instance that fails so. Where nobody is, they have it already.
    fn carried(&self, failure: Option<Failure>) -> Option<f64> {
        match failure {
            Some(Failure::Connect) => None,
            _ => self.limiter.load(self.service.config.limit),
        }
    }

    /// The same of an attempt without an answer.
    fn fair_without(&self, took: Duration) -> Duration {
        match self.loads.len() {
            0..2 => took,
            _ => fair(took, self.route.get(), self.all.get()),
        }
    }

    /// The instance that the request's key belongs to.
    fn owner(&self, x: &Exchange<'_>, tried: u64, now: Nanos) -> Option<usize> {
        let (rules, table) = self.hashed.as_ref()?;
        let hashed = Hashed {
            table,
            count: self.loads.len(),
            usable: |i: usize| self.health.usable(i, now) && !(i < 64 && tried >> i & 1 == 1),
            pending: |i: usize| self.loads[i].pending(),
            bound: rules.bound,
        };
        hashed.pick(key(&rules.by, x)?)
    }

    /// Whether an instance of the own zone shall be asked, or one of the others; `None`: whichever.
    fn side(&self, x: &mut Exchange<'_>, now: Nanos) -> Option<bool> {
        let near = &self.service.near;
        if near.is_empty() {
            return None;
        }
        let count = |side: bool| {
            let all = (0..near.len()).filter(|i| near[*i] == side);
            all.fold(Side::default(), |s, i| Side {
                usable: s.usable + self.health.usable(i, now) as usize,
                all: s.all + 1,
            })
        };
        let load = self.limiter.load(self.service.config.limit);
        Some(x.chance() < share(count(true), count(false), load))
    }
}

impl Gate for Balance {
    fn name(&self) -> &'static str {
        "balance"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Some(pick) = self.pick(x, now) else {
            let detail = format!("service {} has no instances", self.service.name);
            return Step::Answer(Reply::problem(503, "no-instance", &detail));
        };
        self.loads[pick.index].begin();
        x.instance = Some(self.service.instances[pick.index].clone());
        *slot = Slot::Pair(pick.index as u64, now.0);
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Slot::Pair(index, _) = slot
            && matches!(x.status, 429 | 503)
        {
            let pushed = out.head.get(PUSHBACK).map(pushback);
            let pushed = pushed.filter(|wait| *wait < Duration::MAX);
            let wait = || out.head.get("retry-after").map(asked);
            let wait = pushed.or_else(wait).unwrap_or_default();
            *index |= wait.as_secs() << INDEX_BITS;
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
            _ if facts.lost => Ending::GivenUp(self.fair_without(took)),
            429 | 502..=504 => Ending::Unavailable {
                retry_after: (asked > 0).then_some(Duration::from_secs(asked)),
            },
            s if s >= 500 => Ending::Failed(self.fair(took)),
            // A client that left had waited this long at least.
            _ => Ending::Answered(self.fair(took)),
        };
        self.loads[index].end(how, now);
        let event = match facts.status {
            0 => return,
            s if s >= 500 => Event::Failure {
                load: self.carried(facts.failure),
            },
            _ => Event::Success,
        };
        self.health.report(index, event, now);
        if let Some(outliers) = &self.outliers {
            outliers.see(index, took, event != Event::Success, now);
        }
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
    fn who_asks_for_time_by_a_date_is_left_alone_for_as_long() {
        let b = Bench::default();
        let gate = make(&b.making()).unwrap();
        for (asked, cost) in [("Fri, 31 Dec 2099 23:59:59 GMT", 300.0), ("soon", 5.0)] {
            let mut run = b.run(&*gate, "GET", "/", &[]);
            let chosen = run.facts.instance.clone().unwrap();
            run.facts.status = 503;
            let headers = [("Retry-After".to_owned(), asked.to_owned())];
            let mut edits = Default::default();
            let mut out = Outgoing {
                head: crate::exchange::ResponseHead::List {
                    status: 503,
                    headers: &headers,
                },
                edits: &mut edits,
            };
            let mut x = Exchange {
                head: crate::exchange::Head::List(&run.head),
                facts: &mut run.facts,
            };
            gate.reply(&mut x, &mut run.slot, &mut out, b.now);
            gate.leave(&mut run.facts, &mut run.slot, b.now);
            let load = b.kept.get(&format!("s/{}", chosen.address), Load::default);
            assert_eq!(load.cost(b.now), cost, "{asked}");
        }
    }

    #[test]
    fn who_had_the_long_requests_is_not_taken_for_slow() {
        let mut b = Bench::default();
        let gates: Vec<_> = ["long", "short"]
            .into_iter()
            .map(|name| {
                b.route.name = name.into();
                make(&b.making()).unwrap()
            })
            .collect();
        let mut ended = [0.0; 2];
        for i in 0..1000u64 {
            let (gate, ms) = match i % 10 {
                0 => (&gates[0], 1000),
                _ => (&gates[1], 50),
            };
            let mut run = b.run_at(&**gate, "GET", "/", &[], Nanos(1 + i * 20_000_000));
            run.facts.status = 200;
            let end = run.now + Duration::from_millis(ms);
            run.facts.first_byte = Some(end);
            gate.leave(&mut run.facts, &mut run.slot, end);
            let load = |i: &Arc<Instance>| {
                let load = b.kept.get(&format!("s/{}", i.address), Load::default);
                load.cost(end)
            };
            ended = [0, 1].map(|i| load(&b.service.instances[i]));
        }
        let ratio = ended[0] / ended[1];
        assert!((0.8..1.25).contains(&ratio), "{ended:?}");
    }

    #[test]
    fn a_key_stays_unless_it_was_tried_there() {
        let mut b = Bench::default();
        b.service(|s| s.balance = Some(sections::Balance::default()));
        let gate = make(&b.making()).unwrap();
        let ask = |user: &str| {
            let run = b.run(&*gate, "GET", "/", &[("x-user", user)]);
            let ix = run.facts.instance.clone().unwrap().ix;
            let (mut facts, mut slot) = (run.facts, run.slot);
            facts.status = 200;
            gate.leave(&mut facts, &mut slot, b.now);
            ix
        };
        let all: Vec<_> = (0..40).map(|i| ask(&format!("u{i}"))).collect();
        let again: Vec<_> = (0..40).map(|i| ask(&format!("u{i}"))).collect();
        assert_eq!(all, again);
        let first = all.iter().filter(|ix| **ix == all[0]).count();
        assert!((5..36).contains(&first), "{first} of 40");
        let owner = |facts: &mut Facts| facts.tried.push(b.service.instances[0].ix);
        let other = b.run_with(&*gate, owner).facts.instance.unwrap();
        assert_eq!(other.ix, b.service.instances[1].ix);
    }

    #[test]
    fn the_own_zone_is_asked_until_it_fails_and_a_second_try_leaves_it() {
        let mut b = Bench::default();
        b.near(&[false, true]);
        let gate = make(&b.making()).unwrap();
        let far = b.service.instances[0].ix;
        for _ in 0..50 {
            let mut run = b.run(&*gate, "GET", "/", &[]);
            assert_ne!(run.facts.instance.as_ref().unwrap().ix, far);
            run.facts.status = 200;
            gate.leave(&mut run.facts, &mut run.slot, b.now);
        }
        let near = b.service.instances[1].ix;
        let second = b.run_with(&*gate, |facts| facts.tried.push(near));
        assert_eq!(second.facts.instance.unwrap().ix, far);
        for _ in 0..5 {
            let mut run = b.run_with(&*gate, |facts| facts.tried.push(far));
            run.facts.status = 502;
            gate.leave(&mut run.facts, &mut run.slot, b.now);
        }
        let after = b.run(&*gate, "GET", "/", &[]);
        assert_eq!(after.facts.instance.unwrap().ix, far, "it was ejected");
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
