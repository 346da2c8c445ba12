//! Shedding as a gate, behind the cache: it reads the state of `limit` and only decides whom to refuse.

use super::core::{room, share, weighted};
use crate::attempt::limit::{Limiter, Price, core as limit};
use crate::attempt::split::{Split, arm_of};
use crate::exchange::{Exchange, Failed, Reply};
use crate::gate::{Gate, Making, Needs, Slot, Step};
use crate::share::Share;
use crate::tally::Tally;
use base::{Arm, Nanos};
use config::sections::Criticality;
use std::sync::Arc;

const NAMES: &[&str] = &["by_user", "no_room", "would_refuse"];
const BY_USER: usize = 0;
const NO_ROOM: usize = 1;
const WOULD_REFUSE: usize = 2;

/// The shares of users of one service that are let in.
#[derive(Debug, Default)]
struct Shares {
    normal: Share,
    sheddable: Share,
}

/// On routes to a service whose `shed` is not switched off.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.service.config.shed.as_ref()?;
    let service = &*m.service.name;
    Some(Arc::new(ShedGate {
        observe: rules.observe,
        criticality: m.route.criticality,
        price: Price::of(m),
        limiter: m.kept.get(service, Limiter::default),
        shares: m.kept.get(service, Shares::default),
        tally: Tally::of(m.kept, "shed", service, NAMES),
        service: service.into(),
    }))
}

struct ShedGate {
    observe: bool,
    /// Of the route.
    criticality: Criticality,
    price: Price,
    limiter: Arc<Limiter>,
    shares: Arc<Shares>,
    tally: Arc<Tally>,
    service: Box<str>,
}

/// The users who are let in change each hour, so that it is not always the same who are not.
const TURN_S: u64 = 3600;

fn let_in(share: f64, x: &Exchange<'_>, now: Nanos) -> bool {
    let turn = now.0 / 1_000_000_000 / TURN_S;
    let split = Split::new(&format!("shed {turn}"), share);
    match x.user {
        Some(user) => split.places(user) == Arm::CANARY,
        None => arm_of(&split, &x.head, x.client) == Arm::CANARY,
    }
}

impl ShedGate {
    /// Which rule refuses; `None`: neither.
    fn refusal(&self, x: &Exchange<'_>, now: Nanos) -> Option<usize> {
        let configured = self.price.configured;
        let limit::Limit::Enforce(limit) = self.limiter.limit(configured) else {
            return None;
        };
        let weight = self.price.weight();
        // What uses nothing of what is short does not stand in its queue.
        if weight == 0.0 {
            return None;
        }
        let criticality = x.criticality.unwrap_or(self.criticality);
        let users = match criticality {
            Criticality::Critical => return None,
            Criticality::Normal => &self.shares.normal,
            Criticality::Sheddable => &self.shares.sheddable,
        };
        let places = self.limiter.places(configured, limit).burst;
        let room = || room(criticality, self.limiter.waiting(), places);
        // Where nobody is refused, the share of the users who are let in would follow a queue that stays as it is.
        if self.observe {
            return (!room()).then_some(NO_ROOM);
        }
        let part = weighted(users.now(now, share), weight);
        if part < 1.0 && !let_in(part, x, now) {
            return Some(BY_USER);
        }
        let room = room();
        users.count(!room);
        (!room).then_some(NO_ROOM)
    }
}

impl Gate for ShedGate {
    fn name(&self) -> &'static str {
        "shed"
    }

    fn needs(&self) -> Needs {
        Needs {
            failures: self.observe,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        match self.refusal(x, now) {
            None => Step::Go,
            Some(_) if self.observe => {
                *slot = Slot::Number(now.0);
                Step::Go
            }
            Some(rule) => {
                self.tally.note(x, rule);
                // Not all at the same second.
                let wait = 1 + x.random() % 4;
                let detail = format!(
                    "service {} has no room for requests that can wait; try again in {wait} s",
                    self.service
                );
                let reply = Reply::problem(503, "shed", &detail);
                Step::Answer(reply.with("Retry-After", wait.to_string()))
            }
        }
    }

    /// As many are served with shedding as without. So of those for whom there was no room, it would have refused as many as
    /// the limit did, and at once.
    fn failed(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        failed: Failed<'_>,
        _now: Nanos,
    ) -> Option<Reply> {
        if failed.reason == limit::REASON
            && let Slot::Number(_) = slot.take()
        {
            self.tally.note(x, WOULD_REFUSE);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::limit::{Acquire, Ask, Cost};
    use crate::testing::Bench;
    use base::learned::Use;
    use config::sections::Shed;

    fn bench(criticality: Criticality) -> Bench {
        let mut b = Bench::default();
        b.route.criticality = criticality;
        b.service(|s| (s.limit, s.shed) = (Some(10), Some(Shed { observe: false })));
        b
    }

    /// All permits and `waiting` places are taken.
    fn fill(b: &Bench, waiting: usize) -> Vec<Acquire> {
        let limiter = b.kept.get("s", Limiter::default);
        let ask = Ask {
            cost: limit::PERMIT,
            configured: Some(10),
            criticality: Criticality::Normal,
        };
        let all = (0..10 + waiting).map(|_| limiter.acquire(ask, Nanos(1)));
        all.collect()
    }

    fn passes(b: &Bench, gate: &dyn Gate, user: &str, now: u64) -> bool {
        let now = Nanos(now * 1_000_000_000);
        matches!(
            b.run_at(gate, "GET", "/", &[("x-user-id", user)], now).step,
            Step::Go
        )
    }

    #[test]
    fn what_can_wait_goes_first_and_then_the_same_users_are_served() {
        let b = bench(Criticality::Sheddable);
        let gate = make(&b.making()).unwrap();
        let users: Vec<String> = (0..200).map(|i| format!("u{i}")).collect();
        let all = |now| -> Vec<bool> { users.iter().map(|u| passes(&b, &*gate, u, now)).collect() };
        assert!(all(10).iter().all(|p| *p));
        let held = fill(&b, 8);
        assert!(all(11).iter().all(|p| !*p), "no room");
        drop(held);
        let (a, c) = (all(12), all(12));
        let served = a.iter().filter(|p| **p).count();
        assert!(
            (1..60).contains(&served),
            "few are let in after such a second: {served}"
        );
        assert_eq!(a, c, "always the same");
        let more = all(13);
        assert!(
            a.iter()
                .zip(&more)
                .all(|(before, after)| *after || !*before),
            "nobody falls out"
        );
        assert!(
            all(60).iter().all(|p| *p),
            "all, when there was room for long"
        );
        let critical = bench(Criticality::Critical);
        let gate = make(&critical.making()).unwrap();
        let _held = fill(&critical, 16);
        assert!(passes(&critical, &*gate, "u", 1));
    }

    #[test]
    fn observing_refuses_nothing_and_no_limit_means_no_shedding() {
        let mut b = bench(Criticality::Sheddable);
        b.service(|s| s.shed = config::Service::named("s").shed);
        let gate = make(&b.making()).unwrap();
        let would = || Tally::of(&b.kept, "shed", "s", NAMES).get(WOULD_REFUSE);
        assert!(passes(&b, &*gate, "u", 1));
        assert_eq!(would(), 0);
        let held = fill(&b, 8);
        let ends = |reason| {
            let mut run = b.run(&*gate, "GET", "/", &[]);
            assert!(matches!(run.step, Step::Go));
            let mut x = Exchange {
                head: crate::exchange::Head::List(&run.head),
                facts: &mut run.facts,
            };
            let status = 503;
            for _ in 0..2 {
                let failed = Failed { status, reason };
                assert!(gate.failed(&mut x, &mut run.slot, failed, b.now).is_none());
            }
        };
        assert!(gate.needs().failures);
        assert!((0..100).all(|_| passes(&b, &*gate, "u", 2)));
        assert_eq!(would(), 0, "whoever is served all the same");
        for reason in ["limit", "limit", "", "upstream-connect"] {
            ends(reason);
        }
        assert_eq!(would(), 2, "once for each that the limit refused");
        drop(held);
        assert!((0..100).all(|u| passes(&b, &*gate, &format!("u{u}"), 3)));
        ends("limit");
        assert_eq!(would(), 2, "there was room");
        b.service(|s| s.shed = None);
        assert!(make(&b.making()).is_none());
        let mut free = bench(Criticality::Sheddable);
        free.service(|s| s.limit = None);
        let gate = make(&free.making()).unwrap();
        assert!(passes(&free, &*gate, "u", 1));
    }

    #[test]
    fn with_a_learned_limit_dear_requests_are_shed_first_and_free_ones_never() {
        let learned = |route: &str, seconds: f64| {
            let mut b = bench(Criticality::Sheddable);
            b.route.name = route.into();
            b.service(|s| s.limit = None);
            let limiter = b.kept.get("s", Limiter::default);
            limiter.set_learned(10.0, 16.0, 1.0);
            let cost = b.kept.get(route, Cost::default);
            let of = |seconds| Use {
                seconds,
                share: seconds,
                ..Use::default()
            };
            cost.learn(of(seconds), of(0.01));
            // Room for 42 of 100: half of the users are let in.
            let shares = b.kept.get("s", Shares::default);
            (0..100).for_each(|n| shares.sheddable.count(n < 58));
            b
        };
        let served = |b: &Bench| {
            let gate = make(&b.making()).unwrap();
            let users = (0..400).filter(|u| passes(b, &*gate, &format!("u{u}"), 1));
            users.count()
        };
        let (cheap, dear) = (learned("a", 0.001), learned("b", 0.04));
        let (cheap, dear) = (served(&cheap), served(&dear));
        assert!(cheap > 350 && (5..60).contains(&dear), "{cheap} {dear}");
        let free = learned("c", 0.0);
        assert_eq!(served(&free), 400);
    }
}
