//! What handshakes with instances go by.

use super::files;
use super::server::pair;
use base::Finding;
use config::sections::ServiceTls;
use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

/// # Errors
/// The first thing that is wrong with a file.
pub fn client(tls: &ServiceTls) -> Result<ClientConfig, Finding> {
    let provider = Arc::new(ring::default_provider());
    let roots = files::roots(&tls.ca)?;
    let own = tls
        .certificate
        .as_ref()
        .map(|c| pair(c, &provider))
        .transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Finding::error("tls", e.to_string()))?
        .with_root_certificates(roots);
    Ok(match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(shown(own)),
    })
}

fn shown(own: Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(Arc::unwrap_or_clone(own)))
}

/// # Errors
/// When a certificate cannot be for it.
pub fn name_of(text: &str) -> Result<ServerName<'static>, Finding> {
    ServerName::try_from(text.to_owned()).map_err(|_| {
        Finding::error(
            "tls",
            format!("`{text}` is no name that a certificate can be for"),
        )
        .help("write a host name such as shop.internal, or an address")
    })
}
