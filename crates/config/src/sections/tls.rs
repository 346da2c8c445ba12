//! The sections of TLS, towards clients and towards instances.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tls {
    /// `None`: the address of `listen` speaks TLS; else that one stays plain.
    pub listen: Option<SocketAddr>,
    /// A client that names no host gets the first.
    pub certificates: Vec<Certificate>,
    /// One more that Plimsoll gets by itself.
    pub acme: Option<Acme>,
    pub unknown_name: UnknownName,
    pub min: TlsVersion,
    /// Certificates of clients; `None`: they are not asked for.
    pub clients: Option<Clients>,
    /// Protocols that are offered, best first.
    pub protocols: Vec<Protocol>,
    /// From the first byte to the end of the handshake, the wait for a turn included.
    pub handshake_timeout: Duration,
    /// Handshakes under way at once, all threads together.
    pub handshakes: usize,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            listen: None,
            certificates: Vec::new(),
            acme: None,
            unknown_name: UnknownName::Refuse,
            min: TlsVersion::V12,
            clients: None,
            protocols: vec![Protocol::Http2, Protocol::Http1],
            handshake_timeout: Duration::from_secs(10),
            handshakes: 512,
        }
    }
}

/// PEM files. The names that a certificate is for stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// With the chain behind it.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// A certificate from an authority that speaks ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acme {
    /// Where the authority says what it offers.
    pub directory: String,
    pub names: Vec<String>,
    /// Mail addresses that the authority may write to.
    pub contact: Vec<String>,
    pub challenge: AcmeChallenge,
    /// Who has signed the directory's own certificate (PEM); `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
}

/// How the authority makes sure that the names lead here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcmeChallenge {
    /// It asks for a path at port 80.
    Http,
    /// It makes a handshake at port 443.
    TlsAlpn,
}

impl Default for Acme {
    fn default() -> Self {
        Acme {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            names: Vec::new(),
            contact: Vec::new(),
            challenge: AcmeChallenge::TlsAlpn,
            ca: None,
        }
    }
}

/// What a client gets that names a host of no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnknownName {
    Refuse,
    /// The first certificate.
    First,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    V12,
    V13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    Http1,
    Http2,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// Who may have signed a client's certificate (PEM).
    pub ca: PathBuf,
    /// Whether a client without a certificate is let in.
    pub accept: bool,
}

/// TLS towards the instances of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTls {
    /// Who may have signed their certificates (PEM).
    pub ca: PathBuf,
    /// What their certificates are for; `None`: their addresses.
    pub name: Option<String>,
    /// What Plimsoll shows them.
    pub certificate: Option<Certificate>,
}

impl ServiceTls {
    /// Those that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = self.certificate.iter().flat_map(|c| [&c.cert, &c.key]);
        own.chain([&self.ca])
    }
}

impl Tls {
    /// Those that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter().flat_map(|c| [&c.cert, &c.key]);
        pairs.chain(self.clients.iter().map(|c| &c.ca))
    }
}

/// What is spoken with instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speaks {
    /// What they choose (ALPN); without TLS, HTTP/1.
    #[default]
    Auto,
    Http1,
    Http2,
}
