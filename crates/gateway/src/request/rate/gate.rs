//! The rate limit as a gate: one key per request, 429 with what the client needs to know, or only a count.

use super::core::{Cost, Decision, Limit, UNIT};
use super::table::Table;
use crate::attempt::limit;
use crate::exchange::{Exchange, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use config::sections::{RateCost, RateKey};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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
    Some(Arc::new(RateGate {
        limit: Limit::new(rate.per_second, rate.burst),
        // A blank keeps shared names apart from those of routes.
        scope: (rate.name.as_ref()).map_or(m.route.name.clone(), |name| format!("shared {name}")),
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
    /// Who is not known by the key counts by address, not as one big anonymous client.
    fn key(&self, x: &Exchange<'_>) -> u64 {
        let hash = |kind: u8, key: &[u8]| self.table.hash(&self.scope, kind, key);
        let known = match &self.key {
            RateKey::All => return hash(b'*', b""),
            RateKey::Client => None,
            RateKey::User => x.user.map(|user| hash(b'u', &user.to_le_bytes())),
            RateKey::Tenant => x.tenant.map(|t| hash(b't', &t.hash.to_le_bytes())),
            RateKey::Header(name) => x.head.get(name).map(|value| hash(b'h', value)),
        };
        known.unwrap_or_else(|| hash(b'c', &address(&x.client)))
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

/// The part of an address that a client cannot choose at will: of IPv6 the first 64 bits.
fn address(client: &IpAddr) -> [u8; 8] {
    let mut out = [0; 8];
    match client.to_canonical() {
        IpAddr::V4(a) => out[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => out.copy_from_slice(&a.octets()[..8]),
    }
    out
}

fn seconds_up(d: Duration) -> u64 {
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
        let (decision, remaining) =
            (self.table).take(self.key(x), &self.limit, self.cost.now(), now);
        let wait = match decision {
            Decision::Allowed(tat) => {
                *slot = Slot::Pair(remaining, seconds_up(tat.since(now)));
                return Step::Go;
            }
            Decision::Refused(wait) => wait,
        };
        if self.observe {
            self.counts.would_refuse.fetch_add(1, Relaxed);
            x.note("rate", "would_refuse");
            return Step::Go;
        }
        self.counts.refused.fetch_add(1, Relaxed);
        x.note("rate", "refused");
        Step::Answer(self.refuse(remaining, wait))
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let (true, Slot::Pair(remaining, seconds)) = (self.announce, slot) {
            let (policy, limit) = self.fields(*remaining, *seconds);
            out.edits.append("RateLimit-Policy", policy.as_bytes());
            out.edits.append("RateLimit", limit.as_bytes());
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
