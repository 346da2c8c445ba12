//! Reads PEM files. Whatever is wrong with one becomes a finding that names it; a key is never printed.

use base::Finding;
use std::path::Path;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Larger files are not certificates.
const LARGEST: u64 = 1 << 20;

/// A certificate with the chain behind it.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Finding> {
    let text = read(path, "certificate")?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong(
            path,
            "certificate",
            "has no certificate in it (no `BEGIN CERTIFICATE`)",
        )),
        Ok(all) => Ok(all),
        Err(e) => Err(wrong(path, "certificate", &broken(&e))),
    }
}

pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Finding> {
    let text = read(path, "key")?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| match e {
        pem::Error::NoItemsFound => wrong(
            path,
            "key",
            "has no private key in it that is not encrypted (no `BEGIN PRIVATE KEY`)",
        ),
        e => wrong(path, "key", &broken(&e)),
    })
}

/// Those whose signatures are trusted.
pub fn roots(path: &Path) -> Result<RootCertStore, Finding> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in chain(path)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|e| {
            let what = format!("cannot be used: certificate {} of it: {e}", i + 1);
            wrong(path, "CA", &what)
        })?;
    }
    Ok(roots)
}

pub fn wrong(path: &Path, kind: &str, what: &str) -> Finding {
    Finding::error(
        "tls-file",
        format!("the {kind} file {} {what}", path.display()),
    )
}

fn read(path: &Path, kind: &str) -> Result<Vec<u8>, Finding> {
    let large = std::fs::metadata(path).is_ok_and(|m| m.len() > LARGEST);
    if large {
        return Err(wrong(path, kind, "is larger than 1 MiB"));
    }
    std::fs::read(path).map_err(|e| {
        wrong(path, kind, &format!("cannot be read: {e}"))
            .help("paths are relative to the folder where Plimsoll was started")
    })
}

/// Without the text that could not be read: it may be part of a key.
fn broken(e: &pem::Error) -> String {
    let what = match e {
        pem::Error::MissingSectionEnd { .. } => "a section has a BEGIN and no END",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it is not PEM",
    };
    format!("cannot be read: {what}")
}
