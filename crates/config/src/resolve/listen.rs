//! Where it listens and where instances do: nothing twice, no circles, certificates where TLS is spoken.

use super::Whole;
use crate::document::Value;
use crate::sections::{AcmeChallenge, Config, Tls};
use base::Finding;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

impl Whole<'_> {
    pub(super) fn addresses(&mut self, c: &Config) {
        let console = c.console.listen.ip();
        let same_path = c.listen.path().is_some() && c.listen == c.console.listen;
        if same_path || console.is_some_and(|a| ours(c, a)) {
            self.add(
                &["console"],
                Finding::error(
                    "config-same-address",
                    "`listen` and `console` are the same address",
                )
                .why("the console must not be reachable where customers are")
                .help("give the console another port, such as 127.0.0.1:9400"),
            );
        }
        let encrypted = c.tls.as_ref().and_then(|t| t.listen);
        if let Some(tls) = encrypted
            && (ours(c, tls) || console.is_some_and(|a| same(tls, a)))
        {
            self.add(
                &["tls", "listen"],
                Finding::error(
                    "config-same-address",
                    "`tls.listen` is the same address as `listen` or `console`",
                )
                .help("give it another port, or leave it out: then `listen` itself speaks TLS"),
            );
        }
        let mut seen: HashMap<SocketAddr, &str> = HashMap::new();
        for s in &c.services {
            let path = ["services", s.name.as_str(), "instances"];
            for &a in &s.instances {
                let others = [console, encrypted].into_iter().flatten();
                if ours(c, a) || others.into_iter().any(|o| same(a, o)) {
                    self.add(
                        &path,
                        Finding::error(
                            "config-loop",
                            format!("the instance {a} of `{}` is Plimsoll itself", s.name),
                        )
                        .why("requests would go round in circles"),
                    );
                }
                if let Some(other) = seen.insert(a, &s.name) {
                    self.add(
                        &path,
                        Finding::error(
                            "config-same-address",
                            format!("{a} is an instance of `{other}` and of `{}`", s.name),
                        )
                        .why("its use could not be told apart")
                        .help("one address belongs to one service, once"),
                    );
                }
            }
        }
    }

    /// What cannot be done with Unix sockets.
    pub(super) fn sockets(&mut self, c: &Config) {
        if let (Some(_), Some(tls)) = (c.listen.path(), &c.tls)
            && tls.listen.is_none()
        {
            self.add(
                &["tls"],
                Finding::error("config-value", "TLS is not spoken on a Unix socket")
                    .help("add `tls: { listen: 0.0.0.0:8443 }`, or leave `tls` out"),
            );
        }
        let mut seen: HashMap<&Path, &str> = HashMap::new();
        for s in &c.services {
            let path = ["services", s.name.as_str(), "instances"];
            if !s.sockets.is_empty() && s.tls.is_some() {
                self.add(
                    &["services", &s.name, "tls"],
                    Finding::error("config-value", "TLS is not spoken to a Unix socket")
                        .help("leave `tls` out: nobody on the network sees what goes there"),
                );
            }
            for socket in &s.sockets {
                if c.listen.path() == Some(socket) {
                    let what = format!("an instance of `{}` is Plimsoll itself", s.name);
                    self.add(
                        &path,
                        Finding::error("config-loop", what)
                            .why("requests would go round in circles"),
                    );
                }
                if let Some(other) = seen.insert(socket, &s.name) {
                    let what = format!(
                        "unix:{} is an instance of `{other}` and of `{}`",
                        socket.display(),
                        s.name
                    );
                    self.add(
                        &path,
                        Finding::error("config-same-address", what)
                            .why("its use could not be told apart"),
                    );
                }
            }
        }
    }

    pub(super) fn tls(&mut self, c: &Config) {
        if let Some(tls) = &c.tls {
            self.own_certificates(tls);
        }
        if let (Some(identity), None) =
            (&c.identity, c.tls.as_ref().and_then(|t| t.clients.as_ref()))
            && identity.certificate
        {
            self.add(
                &["identity", "certificate"],
                Finding::error("config-value", "clients are not asked for certificates")
                    .help("add `tls: { clients: { ca: FILE } }`"),
            );
        }
    }

    fn own_certificates(&mut self, tls: &Tls) {
        // One that could not be read is told as such.
        let given = self.root.get("tls").and_then(|n| n.get("certificates"));
        let none = given.is_none_or(|n| matches!(&n.value, Value::List(l) if l.is_empty()));
        let acme = tls.acme.as_ref();
        if none && acme.is_none() {
            self.add(
                &["tls", "certificates"],
                Finding::error("config-no-certificate", "`tls` has no certificate")
                    .help("list at least one, as `{ cert: shop.pem, key: shop.key }`, or have one got by `acme`"),
            );
        }
        if acme.is_some_and(|a| a.challenge == AcmeChallenge::Http) && tls.listen.is_none() {
            self.add(
                &["tls", "acme", "challenge"],
                Finding::error("config-value", "nothing listens without TLS, as `http-01` needs it")
                    .help("add `tls: { listen: 0.0.0.0:443 }` beside a plain `listen`, or leave `challenge` out"),
            );
        }
        let unnamed = self
            .root
            .get("tls")
            .and_then(|n| n.get("acme")?.get("names"));
        if unnamed.is_some_and(|n| matches!(&n.value, Value::List(l) if l.is_empty())) {
            self.add(
                &["tls", "acme", "names"],
                Finding::error(
                    "config-value",
                    "`acme` has no name to get a certificate for",
                ),
            );
        }
    }
}

/// Whether it is the address of `listen`.
fn ours(c: &Config, a: SocketAddr) -> bool {
    c.listen.ip().is_some_and(|listen| same(a, listen))
}

/// Whether both cannot be listened on at once: the same port, and one address or every address.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    let local = |ip: std::net::IpAddr| ip.is_loopback() || ip.is_unspecified();
    let every =
        a.ip().is_unspecified() && local(b.ip()) || b.ip().is_unspecified() && local(a.ip());
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || every)
}
