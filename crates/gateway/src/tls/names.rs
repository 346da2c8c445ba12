//! Which certificate a client gets by the name that it asks for (SNI).

use crate::acme::{ALPN, Challenges};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// Certificates by the names that stand in them.
#[derive(Debug)]
pub struct Names<T> {
    /// Lower case; `*.example.com` stands as `.example.com`.
    by_name: HashMap<String, T>,
    /// For a client that asks for no name.
    first: T,
    /// Whether the first is for unknown names, too.
    for_all: bool,
}

impl<T: Clone> Names<T> {
    pub fn new(first: T, for_all: bool) -> Names<T> {
        Names {
            by_name: HashMap::new(),
            first,
            for_all,
        }
    }

    /// The first certificate of a name stays.
    pub fn add(&mut self, name: &str, certificate: &T) {
        let name = name.to_ascii_lowercase();
        let key = name.strip_prefix('*').unwrap_or(&name);
        let entry = self.by_name.entry(key.to_owned());
        entry.or_insert_with(|| certificate.clone());
    }

    pub fn find(&self, asked: Option<&str>) -> Option<T> {
        let Some(asked) = asked else {
            return Some(self.first.clone());
        };
        let asked = asked.trim_end_matches('.').to_ascii_lowercase();
        let exact = self.by_name.get(&asked);
        // A star stands for one label.
        let star = || self.by_name.get(&asked[asked.find('.')?..]);
        let found = exact.or_else(star).cloned();
        found.or_else(|| self.for_all.then(|| self.first.clone()))
    }
}

/// Certificates by name, and those of validations under way.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: there is no certificate yet.
    pub names: Option<Arc<Names<Arc<Shown>>>>,
    /// Of an authority that validates our names.
    pub challenges: Arc<Challenges>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        // An authority offers that and nothing else (RFC 8737).
        if hello.alpn().is_some_and(|offered| offered.eq([ALPN])) {
            return self.challenges.certificate(name?);
        }
        let shown = self.names.as_ref()?.find(name)?;
        Some(shown.key.clone())
    }
}

/// A certificate with the names that it is for.
#[derive(Debug)]
pub struct Shown {
    pub key: Arc<CertifiedKey>,
    /// Lower case.
    pub names: Vec<String>,
}

impl Shown {
    /// Whether it is for this host, which may have a port.
    pub fn covers(&self, host: &[u8]) -> bool {
        let end = host.iter().position(|b| *b == b':').unwrap_or(host.len());
        let host = &host[..end];
        let host = host.strip_suffix(b".").unwrap_or(host);
        // A star stands for one label.
        let rest = host.iter().position(|b| *b == b'.').map(|dot| &host[dot..]);
        self.names.iter().any(|name| match name.strip_prefix('*') {
            Some(name) => rest.is_some_and(|rest| rest.eq_ignore_ascii_case(name.as_bytes())),
            None => host.eq_ignore_ascii_case(name.as_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_before_star_and_a_star_is_one_label() {
        let mut names = Names::new(0, false);
        names.add("shop.example.com", &1);
        names.add("*.example.com", &2);
        names.add("shop.example.com", &3);
        for (asked, found) in [
            (None, Some(0)),
            (Some("shop.example.com"), Some(1)),
            (Some("SHOP.example.com."), Some(1)),
            (Some("pay.example.com"), Some(2)),
            (Some("a.pay.example.com"), None),
            (Some("example.com"), None),
            (Some("other"), None),
            (Some(""), None),
        ] {
            assert_eq!(names.find(asked), found, "{asked:?}");
        }
        assert_eq!(Names::new(0, true).find(Some("other")), Some(0));
    }
}
