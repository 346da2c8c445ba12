//! TLS to databases and stores: who is trusted, and how much of a certificate is looked at.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls;

/// What must be right about a certificate, as `sslmode` of PostgreSQL's clients has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: the way is encrypted, and who is at its end is not known.
    Nothing,
    /// Who signed it.
    Signed,
    /// That, and the name.
    Named,
}

/// What connections go by. `ca` is a PEM file of those who are trusted to sign; without it, whom the system trusts.
pub fn client(check: Check, ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match check {
        Check::Nothing => Arc::new(Lax {
            signed: None,
            provider: provider.clone(),
        }),
        _ => {
            let roots = Arc::new(roots(ca)?);
            let known = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
            let signed = known.build().map_err(|e| e.to_string())?;
            match check {
                Check::Named => signed,
                _ => Arc::new(Lax {
                    signed: Some(signed),
                    provider: provider.clone(),
                }),
            }
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        // A certificate of the system that cannot be used is one that signs nothing here.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match roots.is_empty() {
            true => Err("the system trusts nobody: install ca-certificates, or give `ca`".into()),
            false => Ok(roots),
        };
    };
    let wrong = |what: String| format!("the CA file {} {what}", path.display());
    let text = std::fs::read(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| wrong("is not PEM".into()))?;
        let added = roots.add(certificate);
        added.map_err(|e| wrong(format!("has a certificate that cannot be used: {e}")))?;
    }
    match roots.is_empty() {
        true => Err(wrong("has no certificate in it".into())),
        false => Ok(roots),
    }
}

/// What is wrong with a handshake, and what to do about it.
pub fn advice(said: &str) -> &'static str {
    match said {
        s if s.contains("UnknownIssuer") => {
            "whoever signed its certificate is not trusted: name the CA's file with `ca`"
        }
        s if s.contains("not valid for name") || s.contains("NotValidForName") => {
            "its certificate is for another name: use that name in the URL"
        }
        s if s.contains("xpired") => "renew its certificate",
        _ => "does it speak TLS at this port?",
    }
}

/// Looks at less than all of a certificate. That the other side holds its key is always looked at.
#[derive(Debug)]
struct Lax {
    signed: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lax {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(signed) = &self.signed else {
            return Ok(ServerCertVerified::assertion());
        };
        // The name comes last: whatever else is wrong has been said before.
        match signed.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}
