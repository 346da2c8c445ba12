//! Identity as a gate: reads the headers that the configuration names, and passes on what was made of them.

use super::core::{effective, name, parse};
use crate::exchange::Exchange;
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use config::sections::{Criticality, Identity};
use std::sync::Arc;

/// On every route, when the configuration has an `identity`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let headers = m.identity.clone()?;
    Some(Arc::new(IdentityGate {
        headers,
        route: m.route.criticality,
    }))
}

struct IdentityGate {
    headers: Identity,
    route: Criticality,
}

impl Gate for IdentityGate {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        if let Some(header) = &self.headers.criticality {
            let said = x.head.get(header).and_then(parse);
            let criticality = effective(self.route, said);
            x.criticality = Some(criticality);
            // So that what the service calls in turn matters as little.
            if said != Some(criticality) {
                x.edits.set(header, name(criticality).as_bytes());
            }
        }
        if let Some(header) = &self.headers.user {
            let user = x.head.get(header).filter(|v| !v.is_empty());
            x.user = user.map(crate::hash::hash);
        }
        if self.headers.certificate
            && let Some(name) = x.certificate.as_ref().and_then(|c| c.name.as_deref())
        {
            x.user = Some(crate::hash::hash(name.as_bytes()));
        }
        Step::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, edits};
    use crate::tls::ClientCert;

    #[test]
    fn what_was_made_of_it_travels_on() {
        let mut b = Bench::default();
        assert!(make(&b.making()).is_none());
        b.identity = Some(Identity {
            user: Some("x-account".into()),
            criticality: Some("x-criticality".into()),
            certificate: true,
        });
        let gate = make(&b.making()).unwrap();
        let run = b.run(
            &*gate,
            "GET",
            "/",
            &[("X-Account", "ann"), ("X-Criticality", "critical")],
        );
        assert_eq!(run.facts.criticality, Some(Criticality::Normal));
        assert_eq!(edits(&run.facts.edits), ["set x-criticality: normal"]);
        let again = b.run(
            &*gate,
            "GET",
            "/",
            &[("X-Account", "ann"), ("X-Criticality", "sheddable")],
        );
        assert_eq!(again.facts.criticality, Some(Criticality::Sheddable));
        assert!(again.facts.edits.is_empty());
        assert!(run.facts.user.is_some() && run.facts.user == again.facts.user);
        assert_eq!(b.run(&*gate, "GET", "/", &[]).facts.user, None);
        let certificate = ClientCert {
            name: Some("bob".into()),
            forwarded: String::new(),
        };
        let shown = |f: &mut crate::exchange::Facts| f.certificate = Some(certificate.into());
        let vouched = b.run_with(&*gate, shown);
        assert_eq!(vouched.facts.user, Some(crate::hash::hash(b"bob")));
    }
}
