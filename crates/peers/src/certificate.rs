//! A CA of its own, and a certificate that it signed for a server.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// Files in a folder.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// For `localhost` only: 127.0.0.1 is not in it.
    pub fn make(folder: &Path) -> Result<Certificate, String> {
        let text = |e: rcgen::Error| e.to_string();
        let key = KeyPair::generate().map_err(text)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(text)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).map_err(text)?;
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().map_err(text)?;
        let own = CertificateParams::new(vec!["localhost".into()]).map_err(text)?;
        let own = own.signed_by(&key, &issuer).map_err(text)?;
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok::<_, String>(path)
        };
        Ok(Certificate {
            ca: file("ca.pem", ca.pem())?,
            cert: file("server.pem", own.pem())?,
            key: file("server.key", key.serialize_pem())?,
        })
    }
}
