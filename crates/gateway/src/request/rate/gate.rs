//! The rate limit as a gate: one key per request, 429 with what the client needs to know, or only a count.

use super::core::{Cost, Decision, Limit, UNIT};
use super::shared::core::Verdict;
use super::shared::{self, Group, Rule, Shared};
use super::table::Table;
use super::who;
use crate::attempt::limit;
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use config::sections::{RateCost, RateFail, RateKey};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use store::{Error, Quota, Take, Taken};

/// Live keys of all limits together; 16 bytes each.
const KEYS: usize = 1 << 16;

/// What a route's limit has done; kept under the route's name.
#[derive(Debug, Default)]
pub struct Counts {
    pub refused: AtomicU64,
    /// Let through only because the limit observes.
    pub would_refuse: AtomicU64,
}

/// On routes with a `rate`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rate = m.route.rate.clone()?;
    let cost = match rate.cost {
        RateCost::Units(n) => Price::Fixed(Cost(n as u64 * UNIT.0)),
        RateCost::Learned => Price::Learned(m.kept.get(&m.route.name, limit::Cost::default)),
    };
    // A blank keeps shared names apart from those of routes.
    let scope = (rate.name.as_ref()).map_or(m.route.name.clone(), |name| format!("shared {name}"));
    let sharing = rate.shared.then(|| Sharing {
        state: m.kept.get("rates", Shared::default),
        rule: Arc::new(Rule {
            quota: Quota::new(rate.per_second, rate.burst),
            group: m.kept.get(&scope, || Group::of(&scope)),
        }),
        fail: rate.fail,
        per_second: rate.per_second,
    });
    Some(Arc::new(RateGate {
        limit: Limit::new(rate.per_second, rate.burst),
        sharing,
        scope,
        policy: rate.name.unwrap_or_else(|| m.route.name.clone()),
        key: rate.key,
        cost,
        announce: rate.announce,
        observe: rate.observe,
        route: m.route.name.clone(),
        table: m.kept.get("rate", || Table::new(KEYS)),
        counts: m.kept.get(&m.route.name, Counts::default),
    }))
}

struct RateGate {
    limit: Limit,
    /// `None`: this node counts alone.
    sharing: Option<Sharing>,
    key: RateKey,
    cost: Price,
    announce: bool,
    observe: bool,
    route: String,
    /// What clients know the limit by.
    policy: String,
    /// What tells its keys from those of other limits.
    scope: String,
    table: Arc<Table>,
    counts: Arc<Counts>,
}

/// A limit that all nodes have together.
struct Sharing {
    state: Arc<Shared>,
    rule: Arc<Rule>,
    fail: RateFail,
    per_second: f64,
}

/// What a request's question has brought, when it is over.
type Later = Rc<RefCell<Option<Result<Taken, Error>>>>;

/// Where a request stands that is not done with at once.
enum Stage {
    /// It waits for the engine.
    Asked { key: u64, cost: Cost, said: Later },
    /// It has passed, and what it cost is known at its end.
    Passed(Passed),
}

#[derive(Clone, Copy)]
struct Passed {
    key: u64,
    cost: Cost,
    /// It was counted by all nodes together.
    together: bool,
    remaining: u64,
    seconds: u64,
}

enum Price {
    Fixed(Cost),
    /// A permit is an average request of the service, as a unit is.
    Learned(Arc<limit::Cost>),
}

/// What is nearly free on the constraint is counted nevertheless: a flood of it has other costs.
const LEAST: Cost = Cost(10);

impl Price {
    fn now(&self) -> Cost {
        match self {
            Price::Fixed(cost) => *cost,
            Price::Learned(cost) => LEAST.max(Cost(cost.used())),
        }
    }
}

impl RateGate {
    fn key(&self, x: &Exchange<'_>) -> u64 {
        who::of(&self.key, x, |kind, key| {
            self.table.hash(&self.scope, kind, key)
        })
    }

    /// What every node and the engine know it by: no client can be read from it at a glance.
    fn name(&self, x: &Exchange<'_>) -> Arc<str> {
        who::of(&self.key, x, |kind, key| {
            who::name(&self.scope, kind, key).into()
        })
    }

    /// By this node alone.
    fn alone(&self, x: &mut Exchange<'_>, slot: &mut Slot, limit: &Limit, now: Nanos) -> Step {
        let (key, cost) = (self.key(x), self.cost.now());
        let (decision, remaining) = self.table.take(key, limit, cost, now);
        match decision {
            Decision::Allowed(tat) => {
                let passed = Passed {
                    key,
                    cost,
                    together: false,
                    remaining,
                    seconds: seconds_up(tat.since(now)),
                };
                self.pass(slot, passed)
            }
            Decision::Refused(wait) => self.refused(x, remaining, wait),
        }
    }

    /// By all nodes: from what is leased, or by asking.
    fn together(&self, s: &Sharing, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let most = s.rule.quota.burst as u64 * UNIT.0;
        let (key, cost) = (self.key(x), self.cost.now().min(Cost(most)));
        let milli = cost.0;
        let Some(engine) = s.state.engine(now) else {
            return self.without(s, x, slot, now);
        };
        let name = || self.name(x);
        let (verdict, remaining, name) = s.state.keys.decide(key, &s.rule, name, milli, now);
        match (verdict, name) {
            (Verdict::Go, _) => self.passed_together(s, slot, key, cost, remaining),
            (Verdict::Refuse(wait), _) => self.refused(x, remaining / UNIT.0, wait),
            (Verdict::Ask, None) => self.without(s, x, slot, now),
            (Verdict::Ask, Some(name)) => {
                s.state.news.notify_one();
                let take = Take {
                    key: name.to_string(),
                    group: s.rule.group.name().to_owned(),
                    quota: s.rule.quota,
                    want: milli,
                    least: milli,
                };
                let ack = engine.take(take, s.state.unix_us(now));
                let said = Later::default();
                let told = said.clone();
                *slot = Slot::boxed(Stage::Asked { key, cost, said });
                Step::Wait(Box::pin(async move {
                    // Too late is no answer.
                    let answer = tokio::time::timeout(shared::WAIT, ack).await;
                    *told.borrow_mut() = answer.ok();
                }))
            }
        }
    }

    /// The engine has been asked for one request.
    fn answered(
        &self,
        s: &Sharing,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        asked: (u64, Cost, Option<Result<Taken, Error>>),
        now: Nanos,
    ) -> Step {
        let (key, cost, said) = asked;
        let Some(Ok(taken)) = said else {
            s.state.failed.fetch_add(1, Relaxed);
            s.state.doubt(true, now);
            return self.without(s, x, slot, now);
        };
        s.state.asked.fetch_add(1, Relaxed);
        s.rule.group.learn(&taken, s.state.unix_us(now));
        match s.state.keys.one(key, cost.0, &taken, now) {
            Ok(()) => self.passed_together(s, slot, key, cost, taken.left),
            Err(wait) => self.refused(x, taken.left / UNIT.0, wait),
        }
    }

    /// As `fail` says, while the engine is away.
    fn without(&self, s: &Sharing, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        match s.fail {
            RateFail::Open => Step::Go,
            RateFail::Closed if self.observe => Step::Go,
            RateFail::Closed => {
                x.note("rate", "unknown");
                let detail = format!(
                    "the limit of route {} is counted elsewhere, and cannot be asked for now",
                    self.route
                );
                Step::Answer(Reply::problem(503, "rate-unknown", &detail).with("Retry-After", "1"))
            }
            RateFail::LocalShare => {
                let share = s.state.share(&s.rule.group);
                let burst = (s.rule.quota.burst as f64 * share) as u32;
                self.alone(x, slot, &Limit::new(s.per_second * share, burst), now)
            }
        }
    }

    fn passed_together(
        &self,
        s: &Sharing,
        slot: &mut Slot,
        key: u64,
        cost: Cost,
        left: u64,
    ) -> Step {
        let quota = &s.rule.quota;
        let missing = (quota.burst as u64 * UNIT.0).saturating_sub(left);
        let passed = Passed {
            key,
            cost,
            together: true,
            remaining: left / UNIT.0,
            seconds: seconds_up(Duration::from_micros(quota.step_us(missing))),
        };
        self.pass(slot, passed)
    }

    /// What was predicted is looked at again at the end. Nothing is allocated unless both are asked for.
    fn pass(&self, slot: &mut Slot, p: Passed) -> Step {
        *slot = match (&self.cost, self.announce) {
            (Price::Fixed(_), _) => Slot::Pair(p.remaining, p.seconds),
            (Price::Learned(_), false) => Slot::Pair(p.key, p.cost.0 << 1 | p.together as u64),
            (Price::Learned(_), true) => Slot::boxed(Stage::Passed(p)),
        };
        Step::Go
    }

    /// Whose it is, what was taken for it, and whether all nodes counted it: of a request whose cost is settled.
    fn unsettled(&self, slot: &mut Slot) -> Option<(u64, Cost, bool)> {
        match (&self.cost, slot) {
            (Price::Learned(_), Slot::Pair(key, cost)) => {
                Some((*key, Cost(*cost >> 1), *cost & 1 == 1))
            }
            (_, slot) => match slot.get::<Stage>()? {
                Stage::Passed(p) => Some((p.key, p.cost, p.together)),
                Stage::Asked { .. } => None,
            },
        }
    }

    fn refused(&self, x: &mut Exchange<'_>, remaining: u64, wait: Duration) -> Step {
        if self.observe {
            self.counts.would_refuse.fetch_add(1, Relaxed);
            x.note("rate", "would_refuse");
            return Step::Go;
        }
        self.counts.refused.fetch_add(1, Relaxed);
        x.note("rate", "refused");
        Step::Answer(self.refuse(remaining, wait))
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    fn fields(&self, remaining: u64, seconds: u64) -> (String, String) {
        let (name, burst) = (&self.policy, self.limit.burst());
        let window = seconds_up(self.limit.window()).max(1);
        let unit = match self.cost {
            Price::Fixed(UNIT) => "",
            _ => ";qu=\"plimsoll-cost\"",
        };
        (
            format!("\"{name}\";q={burst};w={window}{unit}"),
            format!("\"{name}\";r={remaining};t={seconds}"),
        )
    }

    fn refuse(&self, remaining: u64, wait: Duration) -> Reply {
        let wait = seconds_up(wait).max(1);
        let detail = format!(
            "route {} takes no more of these requests now; try again in {wait} s",
            self.route
        );
        let (policy, limit) = self.fields(remaining, wait);
        Reply::problem(429, "rate-limit", &detail)
            .with("Retry-After", wait.to_string())
            .with("RateLimit-Policy", policy)
            .with("RateLimit", limit)
    }
}

pub fn seconds_up(d: Duration) -> u64 {
    d.as_secs().saturating_add((d.subsec_nanos() > 0) as u64)
}

impl Gate for RateGate {
    fn name(&self) -> &'static str {
        "rate"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if x.is_refresh {
            return Step::Go;
        }
        match &self.sharing {
            None => self.alone(x, slot, &self.limit, now),
            Some(s) => self.together(s, x, slot, now),
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let (Some(s), Slot::Boxed(stage)) = (&self.sharing, slot.take()) else {
            return Step::Go;
        };
        match stage.downcast::<Stage>().map(|s| *s) {
            Ok(Stage::Asked { key, cost, said }) => {
                let said = said.borrow_mut().take();
                self.answered(s, x, slot, (key, cost, said), now)
            }
            _ => Step::Go,
        }
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        let (remaining, seconds) = match (self.announce, slot) {
            (true, Slot::Pair(remaining, seconds)) => (*remaining, *seconds),
            (true, slot) => match slot.get::<Stage>() {
                Some(Stage::Passed(p)) => (p.remaining, p.seconds),
                _ => return,
            },
            _ => return,
        };
        let (policy, limit) = self.fields(remaining, seconds);
        out.edits.append("RateLimit-Policy", policy.as_bytes());
        out.edits.append("RateLimit", limit.as_bytes());
    }

    /// Each attempt has cost what one was thought to; what never came to an instance has cost next to nothing.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        let Some((key, cost, together)) = self.unsettled(slot) else {
            return;
        };
        let attempts = u64::from(facts.attempt);
        let used = cost.0.saturating_mul(attempts).max(LEAST.0);
        let more = used as i64 - cost.0 as i64;
        match (more, together, &self.sharing) {
            (0, ..) => {}
            (_, true, Some(s)) => drop(s.state.keys.with(key, |k| k.settle(more, now))),
            _ => self.table.settle(key, &self.limit, more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::identity::Tenant;
    use crate::testing::{Bench, edits, header};
    use base::learned::Use;
    use config::sections::Rate;

    fn bench(rate: Rate) -> Bench {
        let mut b = Bench::default();
        b.route.rate = Some(Rate { burst: 2, ..rate });
        b
    }

    fn passes(b: &Bench, gate: &dyn Gate, key: &str) -> bool {
        let run = b.run(gate, "GET", "/", &[("X-Key", key)]);
        matches!(run.step, Step::Go)
    }

    #[test]
    fn the_third_is_told_when_to_come_back() {
        let b = bench(Rate::of(0.5));
        let gate = make(&b.making()).unwrap();
        let go = || b.run(&*gate, "GET", "/", &[]).step;
        assert!(matches!((go(), go()), (Step::Go, Step::Go)));
        let Step::Answer(reply) = go() else {
            panic!("refused")
        };
        assert_eq!((reply.status, reply.reason), (429, "rate-limit"));
        assert_eq!(header(&reply, "Retry-After"), "2");
        assert_eq!(header(&reply, "RateLimit-Policy"), "\"r\";q=2;w=4");
        assert_eq!(header(&reply, "RateLimit"), "\"r\";r=0;t=2");
        // A new generation with the same route goes on where this one was.
        let again = make(&b.making()).unwrap();
        assert!(matches!(
            b.run(&*again, "GET", "/", &[]).step,
            Step::Answer(_)
        ));
    }

    #[test]
    fn header_keys_are_apart_and_observing_only_counts() {
        let b = bench(Rate {
            key: RateKey::Header("x-key".into()),
            observe: true,
            ..Rate::of(0.5)
        });
        let gate = make(&b.making()).unwrap();
        for key in ["a", "a", "a", "b"] {
            assert!(passes(&b, &*gate, key));
        }
        let counts = b.kept.get("r", Counts::default);
        assert_eq!(
            (
                counts.would_refuse.load(Relaxed),
                counts.refused.load(Relaxed)
            ),
            (1, 0)
        );
        assert!(
            make(&Bench::default().making()).is_none(),
            "no section, no gate"
        );
    }

    #[test]
    fn tenants_and_users_have_limits_of_their_own() {
        for key in [RateKey::Tenant, RateKey::User] {
            let b = bench(Rate {
                key,
                ..Rate::of(0.5)
            });
            let gate = make(&b.making()).unwrap();
            let passes = |who: Option<u64>| {
                let run = b.run_with(&*gate, |f| {
                    f.user = who;
                    f.tenant = who.map(|hash| Tenant { hash, listed: None });
                });
                matches!(run.step, Step::Go)
            };
            let all = [1, 1, 1, 2].map(|who| passes(Some(who)));
            assert_eq!(all, [true, true, false, true]);
            assert_eq!([(); 3].map(|()| passes(None)), [true, true, false]);
        }
    }

    #[test]
    fn a_learned_cost_is_settled_by_what_was_tried() {
        for announce in [false, true] {
            let mut b = Bench::default();
            b.route.rate = Some(Rate {
                burst: 4,
                cost: RateCost::Learned,
                announce,
                ..Rate::of(0.001)
            });
            let gate = make(&b.making()).unwrap();
            let go = |attempts| {
                let mut run = b.run(&*gate, "GET", "/", &[]);
                run.facts.attempt = attempts;
                gate.leave(&mut run.facts, &mut run.slot, b.now);
                matches!(run.step, Step::Go)
            };
            // Hits cost a hundredth; then one that was tried three times takes the rest.
            assert!((0..20).all(|_| go(0)));
            assert!(go(3));
            assert!(!go(1));
        }
    }

    #[test]
    fn without_an_engine_a_shared_limit_does_what_fail_says() {
        let passes = |fail| {
            let mut b = bench(Rate {
                shared: true,
                fail,
                ..Rate::of(0.5)
            });
            b.route.name = "r".into();
            let gate = make(&b.making()).unwrap();
            let status = |step| match step {
                Step::Answer(reply) => reply.status,
                _ => 200,
            };
            [(); 3].map(|()| status(b.run(&*gate, "GET", "/", &[]).step))
        };
        assert_eq!(passes(RateFail::Open), [200; 3]);
        assert_eq!(passes(RateFail::Closed), [503; 3]);
        assert_eq!(passes(RateFail::LocalShare), [200, 200, 429]);
    }

    #[test]
    fn routes_share_a_named_limit_and_the_dear_one_takes_more() {
        let rate = |cost| Rate {
            burst: 5,
            name: Some("api".into()),
            cost,
            announce: true,
            ..Rate::of(0.5)
        };
        let mut b = Bench::default();
        b.route.rate = Some(rate(RateCost::Units(3)));
        let dear = make(&b.making()).unwrap();
        b.route.name = "cheap".into();
        b.route.rate = Some(rate(RateCost::Learned));
        let cheap = make(&b.making()).unwrap();
        b.route.name = "api".into();
        b.route.rate = Some(Rate {
            name: None,
            ..rate(RateCost::Units(1))
        });
        let own = make(&b.making()).unwrap();
        assert!(passes(&b, &*dear, ""), "3 of 5");
        assert!(!passes(&b, &*dear, ""));
        // Not learned yet: an average request.
        assert!(passes(&b, &*cheap, "") && passes(&b, &*own, ""));
        let used = |seconds| Use {
            seconds,
            share: 1.0,
            ..Use::default()
        };
        b.kept
            .get("cheap", limit::Cost::default)
            .learn(used(0.001), used(0.004));
        let left = (0..10).take_while(|_| passes(&b, &*cheap, "")).count();
        assert_eq!(left, 4, "a quarter of a unit each");
        let head = crate::exchange::ResponseHead::List {
            status: 200,
            headers: &[],
        };
        let mut said = crate::Edits::default();
        let mut run = b.run(&*own, "GET", "/", &[]);
        let mut x = Exchange {
            head: crate::exchange::Head::List(&run.head),
            facts: &mut run.facts,
        };
        let mut out = Outgoing {
            head,
            edits: &mut said,
        };
        own.reply(&mut x, &mut run.slot, &mut out, b.now);
        let said = edits(&said);
        assert_eq!(said[0], "append RateLimit-Policy: \"api\";q=5;w=10");
        assert_eq!(said[1], "append RateLimit: \"api\";r=3;t=4");
    }
}
