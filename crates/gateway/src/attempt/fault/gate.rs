//! The fault as a gate: it decides, innermost of the ring, so that limits, balance and breakers learn from what they see;
//! the attempt carries it out.

use super::core::{What, strikes};
use crate::exchange::{Exchange, Outgoing};
use crate::gate::{Gate, Making, Slot, Step};
use crate::snapshot::has;
use crate::tally::Tally;
use base::{InstanceIx, Nanos};
use config::sections::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Attempts that a fault was meant for; kept under its route and its end, so that a reload does not begin it anew.
#[derive(Debug, Default)]
struct Seen(AtomicU64);

/// On routes with a fault that is not over.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.route.fault.clone()?;
    let until = m.moment.until(rules.until)?;
    let only = match rules.instance {
        Some(address) => {
            let found = m
                .service
                .instances
                .iter()
                .find(|i| i.address.ip() == Some(address));
            Some(found?.ix)
        }
        None => None,
    };
    let tenants = m.identity.iter().flat_map(|i| &i.tenants);
    let place = |name: &String| tenants.clone().position(|t| t.name == *name);
    let tenant = match &rules.tenant {
        Some(name) => Some(place(name)? as u16),
        None => None,
    };
    Some(Arc::new(FaultGate {
        tenant,
        what: What::of(&rules),
        until,
        only,
        seen: (m.kept).get(
            &format!("{} until {}", m.route.name, rules.until),
            Seen::default,
        ),
        tally: Tally::of(m.kept, "fault", &m.route.name, &["struck"]),
        rules,
    }))
}

struct FaultGate {
    rules: Fault,
    what: What,
    until: Nanos,
    /// The instance that it is about.
    only: Option<InstanceIx>,
    /// The tenant, by its place in the list.
    tenant: Option<u16>,
    seen: Arc<Seen>,
    tally: Arc<Tally>,
}

impl FaultGate {
    fn meant(&self, x: &Exchange<'_>, now: Nanos) -> bool {
        let here = |only| x.instance.as_ref().is_some_and(|i| i.ix == only);
        let whose = |tenant| x.tenant.and_then(|t| t.listed) == Some(tenant);
        now < self.until
            && self.tenant.is_none_or(whose)
            && self.only.is_none_or(here)
            && self.rules.headers.iter().all(|(n, v)| has(&x.head, n, v))
    }
}

impl Gate for FaultGate {
    fn name(&self) -> &'static str {
        "fault"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        x.fault = None;
        if self.meant(x, now) {
            let index = self.seen.0.fetch_add(1, Relaxed);
            if strikes(&self.rules, index, x.chance()) {
                self.tally.note(x, 0);
                x.fault = Some(self.what);
                *slot = Slot::Number(1);
            }
        }
        Step::Go
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Slot::Number(_) = slot {
            let name = self.what.name();
            out.edits.append("plimsoll-fault", name.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::End;
    use super::*;
    use crate::gate::Moment;
    use crate::request::identity::Tenant;
    use crate::testing::Bench;
    use std::time::Duration;

    fn bench(fault: Fault) -> Bench {
        let mut b = Bench::default();
        b.route.fault = Some(fault);
        b.moment = Moment {
            now: Nanos(0),
            unix: Duration::from_secs(1000),
        };
        b
    }

    fn second(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    #[test]
    fn it_ends_by_itself_and_what_is_over_is_not_made() {
        let b = bench(Fault {
            abort: Some(503),
            ..Fault::until(1010)
        });
        let gate = make(&b.making()).unwrap();
        let at = |s| b.run_at(&*gate, "GET", "/", &[], second(s)).facts.fault;
        let end = Some(End::Abort(503));
        assert_eq!(at(9).unwrap().end, end);
        assert_eq!(at(10), None);
        assert!(make(&bench(Fault::until(1000)).making()).is_none());
        assert!(
            make(&Bench::default().making()).is_none(),
            "no section, no gate"
        );
    }

    #[test]
    fn only_who_is_meant_counts_and_a_reload_does_not_begin_anew() {
        let b = bench(Fault {
            reset: true,
            first: Some(2),
            headers: vec![("x-tenant".into(), "acme".into())],
            ..Fault::until(1010)
        });
        let mut struck = 0;
        for tenant in ["acme", "other", "acme", "acme"] {
            let gate = make(&b.making()).unwrap();
            let run = b.run(&*gate, "GET", "/", &[("X-Tenant", tenant)]);
            struck += run.facts.fault.is_some() as u32;
        }
        assert_eq!(struck, 2);
        let b = bench(Fault {
            delay: Some(Duration::from_secs(1)),
            instance: Bench::default().service.instances[1].address.ip(),
            ..Fault::until(1010)
        });
        let gate = make(&b.making()).unwrap();
        for (i, is) in [(0, false), (1, true)] {
            let run = b.run_with(&*gate, |f| {
                f.instance = Some(b.service.instances[i].clone())
            });
            assert_eq!(run.facts.fault.is_some(), is);
        }
    }

    #[test]
    fn one_tenant_alone_can_be_struck() {
        let mut b = bench(Fault {
            reset: true,
            tenant: Some("acme".into()),
            ..Fault::until(1010)
        });
        assert!(make(&b.making()).is_none(), "a tenant that is not listed");
        let listed = ["other", "acme"].map(config::sections::Tenant::named);
        b.identity = Some(config::sections::Identity {
            tenants: listed.into(),
            ..Default::default()
        });
        let gate = make(&b.making()).unwrap();
        for (listed, struck) in [(None, false), (Some(0), false), (Some(1), true)] {
            let run = b.run_with(&*gate, |f| f.tenant = Some(Tenant { hash: 7, listed }));
            assert_eq!(run.facts.fault.is_some(), struck, "{listed:?}");
        }
    }
}
