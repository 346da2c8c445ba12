//! Who is named must be known: tenants, and the keys of rate limits.

use super::Whole;
use crate::sections::{Config, Identity, RateKey, Route};
use base::Finding;
use std::collections::HashMap;

impl Whole<'_> {
    pub(super) fn identity(&mut self, c: &Config) {
        let none = Identity::default();
        let identity = c.identity.as_ref().unwrap_or(&none);
        self.certificates(c, identity);
        let listed: Vec<&str> = identity.tenants.iter().map(|t| t.name.as_str()).collect();
        for r in &c.routes {
            if let Some(tenant) = r.fault.as_ref().and_then(|f| f.tenant.as_deref())
                && !listed.contains(&tenant)
            {
                let path = ["routes", r.name.as_str(), "fault", "tenant"];
                self.unknown(&path, "tenant of `identity.tenants`", tenant, &listed);
            }
            let rate = r.rate.as_ref().map(|r| &r.key);
            self.counted_by(r, "rate", rate, identity);
            let quota = r.quota.as_ref().map(|q| &q.key);
            self.counted_by(r, "quota", quota, identity);
        }
        for s in &c.services {
            if s.bulkhead.as_ref().is_some_and(|b| b.tenants) && listed.is_empty() {
                self.add(
                    &["services", &s.name, "bulkhead", "tenants"],
                    Finding::error("config-bulkhead", "no tenants are told apart")
                        .help("list them under `identity.tenants`"),
                );
            }
        }
        self.shared_rates(c);
        self.shared_quotas(c);
    }

    fn certificates(&mut self, c: &Config, identity: &Identity) {
        let asked = c.tls.as_ref().is_some_and(|t| t.clients.is_some());
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for t in &identity.tenants {
            let path = ["identity", "tenants", t.name.as_str(), "certificates"];
            if !asked && !t.certificates.is_empty() {
                self.add(
                    &path,
                    Finding::error("config-value", "clients are not asked for certificates")
                        .help("add `clients: { ca: clients.pem }` to `tls`"),
                );
            }
            for name in &t.certificates {
                if let Some(other) = owners.insert(name, &t.name) {
                    let what =
                        format!("`{name}` is a certificate of `{other}` and of `{}`", t.name);
                    self.add(&path, Finding::error("config-value", what));
                }
            }
        }
    }

    /// By what nobody can ever be known, nobody can be counted.
    fn counted_by(&mut self, r: &Route, section: &str, key: Option<&RateKey>, i: &Identity) {
        let jwt = i.jwt.as_ref();
        let (what, known) = match key {
            Some(RateKey::User) => ("user", i.user.is_some() || i.certificate || jwt.is_some()),
            Some(RateKey::Tenant) => {
                let by_certificate = i.tenants.iter().any(|t| !t.certificates.is_empty());
                let by_token = jwt.is_some_and(|j| j.tenant.is_some());
                ("tenant", i.tenant.is_some() || by_token || by_certificate)
            }
            _ => return,
        };
        if !known {
            let says = format!("`identity` does not say who the {what} is");
            self.add(
                &["routes", &r.name, section, "key"],
                Finding::error(&format!("config-{section}"), says).help(format!(
                    "add `{what}: x-{what}` to `identity`, or a claim of its `jwt`"
                )),
            );
        }
    }

    /// Routes that share a limit agree on it.
    fn shared_rates(&mut self, c: &Config) {
        let all = c.routes.iter().filter_map(|r| {
            let rate = r.rate.as_ref()?;
            let told = (rate.per_second.to_bits(), rate.burst, &rate.key);
            Some((r.name.as_str(), rate.name.as_deref()?, told))
        });
        let help = "give both the same `limit`, `burst` and `key`; only `cost` may differ";
        self.agree("rate", "limit", all, help);
    }

    /// The same of quotas.
    fn shared_quotas(&mut self, c: &Config) {
        let all = c.routes.iter().filter_map(|r| {
            let q = r.quota.as_ref()?;
            let told = (q.limit, q.per, &q.timezone, &q.key, q.keys);
            Some((r.name.as_str(), q.name.as_deref()?, told))
        });
        let help = "give both the same `limit`, `per`, `timezone`, `key` and `keys`; only `cost` may differ";
        self.agree("quota", "quota", all, help);
    }

    /// Of `all` (a route, the name that it shares, what it says of it) those with one name say the same.
    fn agree<'a, T: PartialEq>(
        &mut self,
        section: &str,
        what: &str,
        all: impl Iterator<Item = (&'a str, &'a str, T)>,
        help: &str,
    ) {
        let mut first: HashMap<&str, (&str, T)> = HashMap::new();
        for (route, name, told) in all {
            let Some((other, before)) = first.get(name) else {
                first.insert(name, (route, told));
                continue;
            };
            if *before != told {
                let what =
                    format!("`{other}` and `{route}` share the {what} `{name}` and differ in it");
                let finding = Finding::error(&format!("config-{section}"), what).help(help);
                self.add(&["routes", route, section], finding);
            }
        }
    }
}
