//! What the authority is shown while it validates a name: an answer at a path, or a certificate in a handshake.

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::CertifiedKey;

/// What a handshake agrees to that is a validation (RFC 8737).
pub(crate) const ALPN: &[u8] = b"acme-tls/1";
const PATH: &[u8] = b"/.well-known/acme-challenge/";

#[derive(Debug)]
pub struct Challenge {
    pub name: String,
    pub token: String,
    /// The token and the account's fingerprint. It is meant to be seen.
    pub answer: String,
    pub certificate: Option<Arc<CertifiedKey>>,
}

/// Those of the order under way. Without one, asking costs one load.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    open: ArcSwapOption<Vec<Challenge>>,
}

impl Challenges {
    pub fn set(&self, all: Vec<Challenge>) {
        self.open.store((!all.is_empty()).then(|| Arc::new(all)));
    }

    /// For a request of this path.
    pub fn answer(&self, path: &[u8]) -> Option<String> {
        let open = self.open.load();
        let token = path.strip_prefix(PATH)?;
        let found = open.as_ref()?.iter().find(|c| c.token.as_bytes() == token);
        found.map(|c| c.answer.clone())
    }

    /// For a handshake that asks for this name.
    pub fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let open = self.open.load();
        let mut all = open.as_ref()?.iter();
        let found = all.find(|c| c.name.eq_ignore_ascii_case(name));
        found.and_then(|c| c.certificate.clone())
    }
}

/// A certificate that nobody signed, with the digest of the answer in it.
///
/// # Errors
/// When the name cannot stand in one.
pub fn certificate(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let make = || {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let made = params.self_signed(&key)?;
        Ok::<_, rcgen::Error>((made.der().clone(), key.serialize_der()))
    };
    let (der, key) = make().map_err(|e| format!("no certificate for {name}: {e}"))?;
    let key = PrivateKeyDer::Pkcs8(key.into());
    let key = ring::sign::any_supported_type(&key).map_err(|e| e.to_string())?;
    Ok(Arc::new(CertifiedKey::new(vec![der], key)))
}
