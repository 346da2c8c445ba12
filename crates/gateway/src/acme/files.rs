//! What is kept in `data_dir/acme`: the account, and the certificate with its key in one file, so that they are
//! replaced together. Nobody else can read them.

use super::core::Held;
use super::validity::life;
use crate::tls::{chain, pair};
use config::sections::Certificate;
use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio_rustls::rustls::crypto::ring;
use webpki::EndEntityCert;

/// An account belongs to one directory.
#[derive(Serialize, Deserialize)]
pub struct Account {
    pub directory: String,
    pub credentials: AccountCredentials,
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("acme")
}

/// Where the certificate is, or will be.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    folder(data_dir).join("certificate.pem")
}

/// The certificate, if it is there and can be served.
pub(crate) fn certificate(data_dir: &Path) -> Option<Certificate> {
    let path = path(data_dir);
    let both = Certificate {
        cert: path.clone(),
        key: path,
    };
    pair(&both, &ring::default_provider()).ok().map(|_| both)
}

/// What is known of it.
pub fn held(data_dir: &Path) -> Option<Held> {
    let both = certificate(data_dir)?;
    let chain = chain(&both.cert).ok()?;
    let first = chain.first()?;
    let names = EndEntityCert::try_from(first).ok()?;
    Some(Held {
        life: life(first)?,
        names: names.valid_dns_names().map(str::to_owned).collect(),
    })
}

/// The one with this directory.
pub fn account(data_dir: &Path, directory: &str) -> Option<Account> {
    let text = fs::read(folder(data_dir).join("account.json")).ok()?;
    let account: Account = serde_json::from_slice(&text).ok()?;
    (account.directory == directory).then_some(account)
}

/// # Errors
/// What the system says, and of which file.
pub fn keep_account(data_dir: &Path, account: &Account) -> Result<(), String> {
    let text = serde_json::to_vec(account).map_err(|e| e.to_string())?;
    keep(&folder(data_dir).join("account.json"), &text)
}

/// # Errors
/// What the system says, and of which file.
pub fn keep_certificate(data_dir: &Path, pem: &str) -> Result<(), String> {
    keep(&path(data_dir), pem.as_bytes())
}

fn keep(path: &Path, content: &[u8]) -> Result<(), String> {
    replace(path, content).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

/// Whole or not at all.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let next = path.with_extension("next");
    let _ = fs::remove_file(&next);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(next, path)
}
