//! One configuration of identity as its gates use it, shared by all routes: tenants, keys, and verified tokens.

use super::jwt::Reader;
use crate::gate::{Kept, Making};
use crate::tls::{Stamp, stamps};
use base::Finding;
use config::sections::Identity;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Of the name.
    pub hash: u64,
    /// The place in the configuration's list; `None`: one of those that are not told apart.
    pub listed: Option<u16>,
}

/// Requests of one tenant, or of all that are not listed.
#[derive(Debug)]
pub struct Requests {
    pub tenant: String,
    pub count: AtomicU64,
}

/// What those are called that are not listed.
pub const OTHER: &str = "other";

pub struct Known {
    pub config: Identity,
    pub reader: Option<Reader>,
    /// In the order of the list, then of all others.
    requests: Vec<Arc<Requests>>,
}

impl Known {
    fn new(config: &Identity, reader: Option<Reader>, kept: &Kept) -> Known {
        let names = config.tenants.iter().map(|t| t.name.as_str());
        let requests = |name: &str| {
            let new = || Requests {
                tenant: name.to_owned(),
                count: AtomicU64::new(0),
            };
            kept.get(&format!("tenant {name}"), new)
        };
        Known {
            requests: names.chain([OTHER]).map(requests).collect(),
            config: config.clone(),
            reader,
        }
    }

    pub fn tenant(&self, name: &[u8]) -> Tenant {
        let by_name = |t: &config::sections::Tenant| t.name.as_bytes().cmp(name);
        let listed = self.config.tenants.binary_search_by(by_name).ok();
        Tenant {
            hash: crate::hash::hash(name),
            listed: listed.map(|i| i as u16),
        }
    }

    /// Whose a name in a certificate is.
    pub fn owner(&self, certificate: &str) -> Option<&config::sections::Tenant> {
        let owns = |t: &&config::sections::Tenant| t.certificates.iter().any(|c| c == certificate);
        self.config.tenants.iter().find(owns)
    }

    pub fn listed(&self, tenant: Tenant) -> Option<&config::sections::Tenant> {
        self.config.tenants.get(tenant.listed? as usize)
    }

    pub fn count(&self, tenant: Tenant) {
        let place = tenant.listed.map_or(self.requests.len() - 1, usize::from);
        self.requests[place].count.fetch_add(1, Relaxed);
    }
}

/// Where they stand: one for each configuration that is in use, which are two in a canary.
#[derive(Default)]
pub struct Place(Mutex<Vec<(Vec<Stamp>, Weak<Known>)>>);

impl Place {
    /// The same as before, as long as the configuration and its files are. Keys that can no longer be read leave the last
    /// good ones in service.
    pub fn known(&self, m: &Making<'_>, config: &Identity) -> Arc<Known> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.retain(|(_, known)| known.strong_count() > 0);
        let files = stamps(config.files());
        let same = |known: &Weak<Known>| known.upgrade().filter(|k| k.config == *config);
        if let Some(known) = (all.iter().filter(|(f, _)| *f == files)).find_map(|(_, k)| same(k)) {
            return known;
        }
        let last = all.iter().rev().find_map(|(_, k)| same(k));
        let known = match config.jwt.as_ref().map(Reader::new).transpose() {
            Ok(reader) => Arc::new(Known::new(config, reader, m.kept)),
            Err(finding) => {
                tracing::error!("the old keys stay in service: {finding}");
                last.unwrap_or_else(|| {
                    let closed = config.jwt.as_ref().map(Reader::closed);
                    Arc::new(Known::new(config, closed, m.kept))
                })
            }
        };
        all.push((files, Arc::downgrade(&known)));
        known
    }
}

/// What is wrong with the keys that `config` names.
pub fn check(config: &config::Config) -> Option<Finding> {
    let jwt = config.identity.as_ref()?.jwt.as_ref()?;
    Reader::new(jwt).err()
}
