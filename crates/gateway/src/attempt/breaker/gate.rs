//! The breaker as a gate. What fails belongs to one route on one arm, so that one bad route, or a bad canary, costs the
//! others nothing; whether anybody is there belongs to the service.

use super::account::Account;
use super::core::{Event, Phase, share};
use super::target::{NAMES, REFUSED, Target, WOULD_REFUSE};
use crate::exchange::{Exchange, Facts, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::retry::Failure;
use crate::tally::Tally;
use base::Nanos;
use config::sections::Breaker as Rules;
use std::sync::Arc;

/// On routes to a service whose breaker is not switched off.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.service.config.breaker.clone()?;
    let (service, route) = (&*m.service.name, &*m.route.name);
    let account = format!("breaker {service} {route} {}", m.arm.0);
    Some(Arc::new(BreakerGate {
        rules,
        service: m.service.name.clone(),
        route: route.into(),
        target: m.kept.get(service, Target::default),
        account: m.kept.get(&account, Account::default),
        tally: Tally::of(m.kept, "breaker", service, NAMES),
    }))
}

struct BreakerGate {
    rules: Rules,
    service: Arc<str>,
    route: Box<str>,
    target: Arc<Target>,
    account: Arc<Account>,
    tally: Arc<Tally>,
}

/// Why an attempt is not let through.
enum Refusal {
    /// Nobody is there, or has not been for long.
    Absent,
    Failing {
        all: u64,
        failed: u64,
        share: f64,
    },
}

impl BreakerGate {
    fn refusal(&self, x: &mut Exchange<'_>, now: Nanos) -> Option<Refusal> {
        if !(self.target).admit(&self.rules, now, || x.chance()) {
            return Some(Refusal::Absent);
        }
        let (all, failed) = self.account.trouble(now)?;
        let share = share(&self.rules, all, failed);
        let refuses = share > 0.0 && x.chance() < share;
        refuses.then_some(Refusal::Failing { all, failed, share })
    }

    fn detail(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::Absent => {
                let what = match self.target.presence().phase {
                    Phase::Open { .. } => "does not answer",
                    _ => "answers again, and takes back its work by degrees",
                };
                format!("service {} {what}", self.service)
            }
            Refusal::Failing { all, failed, share } => {
                let (route, percent) = (&self.route, share * 100.0);
                format!(
                    "{failed} of the last {all} answers to {route} failed, so {percent:.0} % of the requests are refused"
                )
            }
        }
    }
}

impl Gate for BreakerGate {
    fn name(&self) -> &'static str {
        "breaker"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        match self.refusal(x, now) {
            None => {}
            Some(_) if self.rules.observe => self.tally.note(x, WOULD_REFUSE),
            Some(refusal) => {
                self.tally.note(x, REFUSED);
                let detail = self.detail(&refusal);
                let reply = Reply::problem(503, "breaker", &detail).with("Retry-After", "1");
                return Step::Answer(reply);
            }
        }
        *slot = Slot::Number(now.0);
        Step::Go
    }

    /// A status of 0 tells nothing of the service: the client left, or an old connection had died.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        let Slot::Number(start) = slot.take() else {
            return;
        };
        let learn =
            |event| (self.target).learn(event, &self.rules, &self.service, &self.tally, now);
        match (facts.failure, facts.status) {
            // It cost the service nothing, so it is no reason to send less.
            (Some(Failure::Connect), _) => return learn(Event::ConnectFailed),
            (_, 0) => return,
            (None | Some(Failure::Status(_)), _) => learn(Event::Answered),
            _ => {}
        }
        let took = facts.first_byte.unwrap_or(now).since(Nanos(start));
        let slow = self.rules.slow.is_some_and(|slow| took > slow);
        let failed = facts.status >= 500 || slow;
        self.account.add(now, failed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::{CLOSED, WOULD_CLOSE, WOULD_OPEN};
    use super::*;
    use crate::testing::Bench;
    use std::time::Duration;

    fn bench(rules: Rules) -> Bench {
        let mut b = Bench::default();
        b.service(|s| s.breaker = Some(rules));
        b
    }

    /// How many of `n` are refused, when all that pass end like this.
    fn run(b: &Bench, n: u64, status: u16, failure: Option<Failure>, at: Nanos) -> u64 {
        let gate = make(&b.making()).unwrap();
        let mut refused = 0;
        for i in 0..n {
            let now = at + Duration::from_millis(i * 10);
            let mut run = b.run_at(&*gate, "GET", "/", &[], now);
            match &run.step {
                Step::Answer(reply) => {
                    assert_eq!((reply.status, reply.reason), (503, "breaker"));
                    refused += 1;
                    run.facts.status = 503;
                }
                _ => (run.facts.status, run.facts.failure) = (status, failure),
            }
            gate.leave(&mut run.facts, &mut run.slot, now);
        }
        refused
    }

    fn s(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    #[test]
    fn trouble_is_met_in_proportion_and_passes() {
        let b = bench(Rules::default());
        assert_eq!(run(&b, 500, 200, None, s(1)), 0);
        let refused = run(&b, 500, 500, None, s(20));
        assert!((380..480).contains(&refused), "{refused}");
        let coming_back = run(&b, 1000, 200, None, s(26));
        assert!((50..500).contains(&coming_back), "{coming_back}");
        assert_eq!(run(&b, 500, 200, None, s(50)), 0);
    }

    #[test]
    fn nobody_there_is_known_after_a_second_and_survives_a_reload() {
        let b = bench(Rules::default());
        let dead = Some(Failure::Connect);
        assert_eq!(run(&b, 100, 502, dead, s(1)), 0);
        // `run` makes the gate anew, as a new generation does.
        let refused = run(&b, 100, 502, dead, s(2) + Duration::from_millis(10));
        assert_eq!(refused, 98, "of a second all but two probes");
        let tally = Tally::of(&b.kept, "breaker", "s", NAMES);
        assert_eq!((tally.get(OPENED_NOW), tally.get(REFUSED)), (1, 98));
        let back = run(&b, 100, 200, None, s(4));
        assert!((60..99).contains(&back), "by degrees: {back}");
        assert_eq!(run(&b, 100, 200, None, s(20)), 0);
    }

    const OPENED_NOW: usize = super::super::OPENED;

    #[test]
    fn observing_refuses_nothing_and_slow_can_count_as_failed() {
        let rules = Rules {
            observe: true,
            slow: Some(Duration::ZERO),
            ..Rules::default()
        };
        let b = bench(rules);
        let gate = make(&b.making()).unwrap();
        for i in 0..200 {
            let now = s(1) + Duration::from_millis(i);
            let mut run = b.run_at(&*gate, "GET", "/", &[], now);
            assert!(matches!(run.step, Step::Go));
            run.facts.status = 200;
            gate.leave(
                &mut run.facts,
                &mut run.slot,
                now + Duration::from_millis(5),
            );
        }
        let tally = Tally::of(&b.kept, "breaker", "s", NAMES);
        assert!(tally.get(WOULD_REFUSE) > 100, "{}", tally.get(WOULD_REFUSE));
    }

    #[test]
    fn left_out_it_counts_and_switched_off_there_is_none() {
        let b = Bench::default();
        let dead = Some(Failure::Connect);
        assert_eq!(run(&b, 500, 502, dead, s(1)), 0);
        assert_eq!(run(&b, 500, 200, None, s(7)), 0);
        let tally = Tally::of(&b.kept, "breaker", "s", NAMES);
        let counts = [REFUSED, OPENED_NOW, CLOSED, WOULD_OPEN, WOULD_CLOSE].map(|i| tally.get(i));
        assert_eq!(counts, [0, 0, 0, 1, 1]);
        assert!(
            tally.get(WOULD_REFUSE) > 350,
            "of four seconds all but probes"
        );
        let mut off = Bench::default();
        off.service(|s| s.breaker = None);
        assert!(make(&off.making()).is_none());
    }
}
