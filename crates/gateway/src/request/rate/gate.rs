//! The rate limit as a gate: one key per request, 429 with what the client needs to know, or only a count.

use super::core::{Decision, Limit};
use super::table::Table;
use crate::exchange::{Exchange, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use config::sections::RateKey;
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
    Some(Arc::new(RateGate {
        limit: Limit::new(rate.per_second, rate.burst),
        key: rate.key,
        observe: rate.observe,
        route: m.route.name.clone(),
        table: m.kept.get("rate", || Table::new(KEYS)),
        counts: m.kept.get(&m.route.name, Counts::default),
    }))
}

struct RateGate {
    limit: Limit,
    key: RateKey,
    observe: bool,
    route: String,
    table: Arc<Table>,
    counts: Arc<Counts>,
}

impl RateGate {
    fn key(&self, x: &Exchange<'_>) -> u64 {
        let hash = |key: &[u8]| self.table.hash(&self.route, key);
        match &self.key {
            RateKey::All => hash(b""),
            // Who leaves the header out is known by the address, not as one big anonymous client.
            RateKey::Header(name) => match x.head.get(name) {
                Some(value) => hash(value),
                None => hash(address(&x.client).as_slice()),
            },
            RateKey::Client => hash(address(&x.client).as_slice()),
        }
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

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, now: Nanos) -> Step {
        if x.is_refresh {
            return Step::Go;
        }
        let (decision, remaining) = self.table.take(self.key(x), &self.limit, now);
        let Decision::Refused(wait) = decision else {
            return Step::Go;
        };
        if self.observe {
            self.counts.would_refuse.fetch_add(1, Relaxed);
            x.note("rate", "would_refuse");
            return Step::Go;
        }
        self.counts.refused.fetch_add(1, Relaxed);
        x.note("rate", "refused");
        let (name, burst, wait) = (&self.route, self.limit.burst(), seconds_up(wait).max(1));
        let window = seconds_up(self.limit.window()).max(1);
        let detail =
            format!("route {name} takes no more of these requests now; try again in {wait} s");
        // draft-ietf-httpapi-ratelimit-headers
        let reply = Reply::problem(429, "rate-limit", &detail)
            .with("Retry-After", wait.to_string())
            .with(
                "RateLimit-Policy",
                format!("\"{name}\";q={burst};w={window}"),
            )
            .with("RateLimit", format!("\"{name}\";r={remaining};t={wait}"));
        Step::Answer(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, header};
    use config::sections::Rate;

    fn bench(key: RateKey, observe: bool) -> Bench {
        let mut b = Bench::default();
        b.route.rate = Some(Rate {
            per_second: 0.5,
            burst: 2,
            key,
            observe,
        });
        b
    }

    #[test]
    fn the_third_is_told_when_to_come_back() {
        let b = bench(RateKey::Client, false);
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
        let b = bench(RateKey::Header("x-key".into()), true);
        let gate = make(&b.making()).unwrap();
        for key in ["a", "a", "a", "b"] {
            assert!(matches!(
                b.run(&*gate, "GET", "/", &[("X-Key", key)]).step,
                Step::Go
            ));
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
}
