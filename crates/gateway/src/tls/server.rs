//! What handshakes with clients go by, made from the configuration and its files.

use super::files;
use super::names::{AllShown, Names, Resolver, Shown};
use crate::acme::{ALPN, Challenges};
use crate::upstream::link::Link;
use base::Finding;
use config::sections::{Certificate, Clients, ConsoleTls, Protocol, Tls, TlsVersion, UnknownName};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use webpki::EndEntityCert;

/// Everything that is wrong with the files that `config` names.
pub fn check(config: &config::Config) -> Vec<Finding> {
    let clients = match config
        .tls
        .as_ref()
        .map(|tls| build(tls, None, Arc::default(), None))
    {
        Some(Err(findings)) => findings,
        _ => Vec::new(),
    };
    let links = config.services.iter().map(Link::make);
    clients
        .into_iter()
        .chain(links.filter_map(Result::err))
        .collect()
}

/// With the certificates by their names; `own` is what `acme` got, if it got one.
///
/// # Errors
/// Everything that is wrong, at once.
pub(crate) fn build(
    tls: &Tls,
    own: Option<&Certificate>,
    challenges: Arc<Challenges>,
    tickets: Option<Arc<dyn ProducesTickets>>,
) -> Result<(ServerConfig, Option<AllShown>), Vec<Finding>> {
    let provider = Arc::new(ring::default_provider());
    let mut wrong = Vec::new();
    let mut keep = |finding| wrong.push(finding);
    let pairs: Vec<_> = (tls.certificates.iter().chain(own))
        .filter_map(|c| pair(c, &provider).map_err(&mut keep).ok())
        .collect();
    let names = names(&pairs, tls.unknown_name == UnknownName::First);
    let clients = tls.clients.as_ref();
    let verifier = clients.map(|c| verifier(c, &provider).map_err(&mut keep));
    let verifier = verifier.unwrap_or_else(|| Ok(WebPkiClientVerifier::no_client_auth()));
    let some = names.is_some() || tls.acme.is_some();
    let (Ok(verifier), true, true) = (verifier, some, wrong.is_empty()) else {
        return Err(wrong);
    };
    let names = names.map(Arc::new);
    let versions: &[_] = match tls.min {
        TlsVersion::V12 => &[&TLS13, &TLS12],
        TlsVersion::V13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let builder = builder.map_err(|e| vec![Finding::error("tls", e.to_string())])?;
    let mut server = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Resolver {
            names: names.clone(),
            challenges,
        }));
    server.alpn_protocols = tls.protocols.iter().map(alpn).collect();
    if tls.acme.is_some() {
        server.alpn_protocols.push(ALPN.to_vec());
    }
    if let Some(tickets) = tickets {
        server.ticketer = tickets;
    }
    Ok((server, names))
}

/// For the console, whose users may show certificates or something else.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn of_console(tls: &ConsoleTls) -> Result<Arc<ServerConfig>, Vec<Finding>> {
    let tls = Tls {
        certificates: vec![tls.own.clone()],
        unknown_name: UnknownName::First,
        clients: tls.clients.clone().map(|ca| Clients { ca, accept: true }),
        protocols: vec![Protocol::Http1],
        ..Tls::default()
    };
    build(&tls, None, Arc::default(), None).map(|(server, _)| Arc::new(server))
}

/// For a listener to which a token is shown: of agents, and of services that keep values.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn of_token_holders(own: &Certificate) -> Result<Arc<ServerConfig>, Vec<Finding>> {
    of_console(&ConsoleTls {
        own: own.clone(),
        clients: None,
    })
}

fn alpn(protocol: &Protocol) -> Vec<u8> {
    match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }
}

/// A certificate with its key; they belong together.
pub fn pair(of: &Certificate, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Finding> {
    let (chain, key) = (files::chain(&of.cert)?, files::key(&of.key)?);
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|e| match e {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let what = format!("does not belong to the certificate {}", of.cert.display());
            files::wrong(&of.key, "key", &what)
        }
        // Of the certificate, or of the kind of key: neither shows the key.
        e => files::wrong(&of.cert, "certificate", &format!("cannot be used: {e}")),
    })?;
    Ok(Arc::new(pair))
}

/// `None` without any certificate.
fn names(pairs: &[Arc<CertifiedKey>], for_all: bool) -> Option<Names<Arc<Shown>>> {
    let all: Vec<Arc<Shown>> = pairs.iter().map(shown).collect();
    let mut names = Names::new(all.first()?.clone(), for_all);
    for shown in &all {
        shown.names.iter().for_each(|name| names.add(name, shown));
    }
    Some(names)
}

fn shown(key: &Arc<CertifiedKey>) -> Arc<Shown> {
    let cert = key.cert.first().map(EndEntityCert::try_from);
    let names = match &cert {
        Some(Ok(cert)) => cert
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect(),
        _ => Vec::new(),
    };
    Arc::new(Shown {
        key: key.clone(),
        names,
    })
}

fn verifier(
    clients: &Clients,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Finding> {
    let roots = Arc::new(files::roots(&clients.ca)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let builder = match clients.accept {
        true => builder.allow_unauthenticated(),
        false => builder,
    };
    builder
        .build()
        .map_err(|e| files::wrong(&clients.ca, "CA", &format!("cannot be used: {e}")))
}
