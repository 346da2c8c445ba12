//! Identity as a gate: what a request says of itself, from the least sure to the surest, and what is passed on of it.

use super::charges::{Charges, Who, name as shown};
use super::core::{effective, name, parse};
use super::jwt::{Bad, Claims, Reader};
use super::known::{Known, Place};
use crate::exchange::{Exchange, Facts, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::hash::hash;
use crate::tally::Tally;
use base::Nanos;
use config::sections::{BadToken, Criticality};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// On every route, when the configuration has an `identity`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let config = m.identity.as_ref()?;
    let place = m.kept.get("identity", Place::default);
    Some(Arc::new(IdentityGate {
        known: place.known(m, config),
        route: m.route.criticality,
        charges: config
            .costs
            .then(|| m.kept.get("charges", Charges::default)),
        tally: Tally::of(m.kept, "identity", &m.route.name, Bad::NAMES),
        _place: place,
    }))
}

struct IdentityGate {
    known: Arc<Known>,
    /// Of the route.
    route: Criticality,
    tally: Arc<Tally>,
    /// `None`: nobody asks what tenants and users cost.
    charges: Option<Arc<Charges>>,
    /// So that it is there for the next generation.
    _place: Arc<Place>,
}

/// Who asks, by name, as long as the request lasts.
#[derive(Default)]
struct Asker {
    tenant: Option<Box<str>>,
    user: Option<Box<str>>,
}

impl IdentityGate {
    fn headers(&self, x: &mut Exchange<'_>, asker: &mut Option<Asker>) {
        let config = &self.known.config;
        let says = |header: &Option<String>| {
            let value = x.head.get(header.as_ref()?);
            value.filter(|v| !v.is_empty())
        };
        let (user, tenant) = (says(&config.user), says(&config.tenant));
        let criticality = says(&config.criticality).and_then(parse);
        self.is(x, user, asker);
        self.belongs(x, tenant, asker);
        self.matters(x, criticality);
    }

    fn claims(&self, x: &mut Exchange<'_>, claims: &Claims, asker: &mut Option<Asker>) {
        self.is(x, claims.user.as_ref().map(String::as_bytes), asker);
        self.belongs(x, claims.tenant.as_ref().map(String::as_bytes), asker);
        self.matters(x, claims.criticality);
    }

    fn certificate(&self, x: &mut Exchange<'_>, asker: &mut Option<Asker>) {
        let Some(certificate) = x.certificate.clone() else {
            return;
        };
        let Some(name) = certificate.name.as_deref() else {
            return;
        };
        if self.known.config.certificate {
            self.is(x, Some(name.as_bytes()), asker);
        }
        let owner = self.known.owner(name);
        self.belongs(x, owner.map(|t| t.name.as_bytes()), asker);
    }

    fn is(&self, x: &mut Exchange<'_>, user: Option<&[u8]>, asker: &mut Option<Asker>) {
        if let Some(name) = user {
            x.user = Some(hash(name));
            if let Some(asker) = asker {
                asker.user = Some(shown(name));
            }
        }
    }

    fn belongs(&self, x: &mut Exchange<'_>, tenant: Option<&[u8]>, asker: &mut Option<Asker>) {
        if let Some(name) = tenant {
            x.tenant = Some(self.known.tenant(name));
            if let Some(asker) = asker {
                asker.tenant = Some(shown(name));
            }
            if let Some(notes) = &mut x.notes {
                notes.tenant(name);
            }
        }
    }

    fn matters(&self, x: &mut Exchange<'_>, said: Option<Criticality>) {
        if said.is_some() {
            let before = x.criticality.unwrap_or(self.route);
            x.criticality = Some(effective(before, said));
        }
    }

    /// What follows from all of it.
    fn settle(&self, x: &mut Exchange<'_>) {
        if let Some(tenant) = x.tenant {
            if !x.is_refresh {
                self.known.count(tenant);
            }
            let most = self.known.listed(tenant).and_then(|t| t.criticality);
            self.matters(x, most);
        }
        if let Some(header) = &self.known.config.criticality {
            let criticality = *x.facts.criticality.get_or_insert(self.route);
            // So that what the service calls in turn matters as little.
            if x.head.get(header).and_then(parse) != Some(criticality) {
                x.edits.set(header, name(criticality).as_bytes());
            }
        }
    }
}

/// The request's token; `Ok(None)`: it has none.
fn token<'a>(x: &Exchange<'a>, header: &str) -> Result<Option<&'a [u8]>, Bad> {
    let (mut found, mut lines) = (None, 0);
    x.head.each(|name, value| {
        if name.eq_ignore_ascii_case(header.as_bytes()) {
            (found, lines) = (Some(value.trim_ascii()), lines + 1);
        }
    });
    let bearer = |v: &&[u8]| {
        let scheme = v.get(..7);
        scheme.is_some_and(|s| s.eq_ignore_ascii_case(b"bearer "))
    };
    match found {
        // Which one the service would take, nobody knows.
        Some(_) if lines > 1 => Err(Bad::Form),
        Some(v) if bearer(&v) => Ok(Some(v[7..].trim_ascii_start())),
        // Another way to say who one is, which is the service's to judge.
        Some(_) if header == "authorization" => Ok(None),
        found => Ok(found.filter(|v| !v.is_empty())),
    }
}

fn verified(x: &Exchange<'_>, reader: &Reader) -> Result<Option<Arc<Claims>>, Bad> {
    let Some(token) = token(x, reader.header())? else {
        return Ok(None);
    };
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    reader
        .read(token, unix.unwrap_or_default().as_secs())
        .map(Some)
}

fn refuse(bad: Bad) -> Reply {
    let reply = Reply::problem(401, "bad-token", bad.detail());
    reply.with("WWW-Authenticate", "Bearer error=\"invalid_token\"")
}

impl Gate for IdentityGate {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let mut asker = self.charges.as_ref().map(|_| Asker::default());
        let token = match &self.known.reader {
            Some(reader) => verified(x, reader),
            None => Ok(None),
        };
        match token {
            Ok(claims) => {
                self.headers(x, &mut asker);
                if let Some(claims) = claims {
                    self.claims(x, &claims, &mut asker);
                }
            }
            Err(bad) => {
                self.tally.note(x, bad as usize);
                let jwt = self.known.config.jwt.as_ref();
                if jwt.is_some_and(|j| j.bad == BadToken::Refuse) {
                    return Step::Answer(refuse(bad));
                }
            }
        }
        self.certificate(x, &mut asker);
        self.settle(x);
        if let Some(asker) = asker {
            *slot = Slot::boxed(asker);
        }
        Step::Go
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        // What no instance was asked has cost nothing.
        let (Some(charges), Some(asker)) = (&self.charges, slot.get::<Asker>()) else {
            return;
        };
        if facts.tried.is_empty() {
            return;
        }
        for (who, name) in [
            (Who::Tenant, asker.tenant.take()),
            (Who::User, asker.user.take()),
        ] {
            charges.count(who, facts.route, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, edits};
    use crate::tls::ClientCert;
    use config::sections::{Identity, Tenant};

    fn bench(identity: Identity) -> Bench {
        let mut b = Bench::default();
        b.identity = Some(identity);
        b
    }

    #[test]
    fn what_was_made_of_it_travels_on() {
        assert!(make(&Bench::default().making()).is_none());
        let b = bench(Identity {
            user: Some("x-account".into()),
            criticality: Some("x-criticality".into()),
            certificate: true,
            ..Identity::default()
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
        assert_eq!(vouched.facts.user, Some(hash(b"bob")));
    }

    #[test]
    fn a_tenant_is_told_by_header_and_more_surely_by_certificate() {
        let trial = Tenant {
            criticality: Some(Criticality::Sheddable),
            certificates: vec!["spiffe://x/trial".into()],
            ..Tenant::named("trial")
        };
        let b = bench(Identity {
            tenant: Some("x-tenant".into()),
            tenants: vec![Tenant::named("acme"), trial],
            ..Identity::default()
        });
        let gate = make(&b.making()).unwrap();
        let of = |name: &str| b.run(&*gate, "GET", "/", &[("X-Tenant", name)]).facts;
        let listed = |f: &crate::exchange::Facts| f.tenant.unwrap().listed;
        let [acme, trial, small] = ["acme", "trial", "small"].map(of);
        assert_eq!(
            [listed(&acme), listed(&trial), listed(&small)],
            [Some(0), Some(1), None]
        );
        assert_eq!(
            [acme.criticality, trial.criticality, small.criticality],
            [None, Some(Criticality::Sheddable), None]
        );
        assert_ne!(small.tenant.unwrap().hash, of("tiny").tenant.unwrap().hash);
        let vouched = b.run_with(&*gate, |f| {
            f.certificate = Some(Arc::new(ClientCert {
                name: Some("spiffe://x/trial".into()),
                forwarded: String::new(),
            }));
        });
        assert_eq!(listed(&vouched.facts), Some(1));
        assert_eq!((vouched.facts.user, of("").tenant), (None, None));
    }

    #[test]
    fn who_asked_an_instance_is_counted_by_name_where_costs_are_asked_for() {
        for costs in [true, false] {
            let b = bench(Identity {
                user: Some("x-user".into()),
                tenant: Some("x-tenant".into()),
                costs,
                ..Identity::default()
            });
            let gate = make(&b.making()).unwrap();
            for asked in [true, false] {
                let lines = [("X-User", "ann"), ("X-Tenant", "acme")];
                let mut run = b.run(&*gate, "GET", "/", &lines);
                if asked {
                    run.facts.tried.push(b.service.instances[0].ix);
                }
                gate.leave(&mut run.facts, &mut run.slot, run.now);
            }
            let charges = b.kept.get("charges", Charges::default);
            let mut told: Vec<_> = charges
                .take()
                .into_iter()
                .map(|c| (c.who, c.name, c.count))
                .collect();
            told.sort();
            let all = [
                (Who::Tenant, "acme".into(), 1),
                (Who::User, "ann".into(), 1),
            ];
            assert_eq!(told, if costs { &all[..] } else { &[] });
        }
    }

    #[test]
    fn only_one_token_in_one_header_is_a_token() {
        let b = bench(Identity::default());
        let gate = make(&b.making()).unwrap();
        let read = |header: &str, lines: &[(&str, &str)]| {
            let mut run = b.run(&*gate, "GET", "/", lines);
            let x = Exchange {
                head: crate::exchange::Head::List(&run.head),
                facts: &mut run.facts,
            };
            token(&x, header).map(|t| t.map(<[u8]>::to_vec))
        };
        let some = |t: &str| Ok(Some(t.as_bytes().to_vec()));
        assert_eq!(read("authorization", &[]), Ok(None));
        assert_eq!(
            read("authorization", &[("Authorization", "bearer  a.b.c")]),
            some("a.b.c")
        );
        assert_eq!(
            read("authorization", &[("Authorization", "Basic abc")]),
            Ok(None)
        );
        assert_eq!(read("x-token", &[("X-Token", "a.b.c")]), some("a.b.c"));
        let two = [
            ("Authorization", "Bearer a.b.c"),
            ("authorization", "Basic x"),
        ];
        assert_eq!(read("authorization", &two), Err(Bad::Form));
    }
}
