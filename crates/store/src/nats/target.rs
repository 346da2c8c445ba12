//! Where to connect to, and as whom.

use super::Options;
use super::bucket::Bucket;
use crate::Error;
use async_nats::ServerAddr;
use base::escape::decoded;
use std::path::PathBuf;

/// Where to connect to. Does not print: it holds a password.
#[derive(Clone)]
pub struct Target {
    pub(super) servers: Vec<ServerAddr>,
    place: String,
    pub(super) login: Login,
    pub(super) encrypted: bool,
    pub(super) ca: Option<PathBuf>,
    /// What is made where it is not there; none for whoever only looks.
    pub buckets: Vec<Bucket>,
}

#[derive(Clone)]
pub(super) enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

impl Target {
    pub fn new(options: &Options, buckets: Vec<Bucket>) -> Result<Target, Error> {
        // Not with the URL, nor with what a library says of it: it holds a password.
        let bad = || {
            Error::Invalid("the URL of the nats engine cannot be read: write nats://USER:PASSWORD@HOST:PORT (or nats://TOKEN@HOST:PORT), tls:// for TLS, several with commas".into())
        };
        if options.prefix.contains('.') {
            return Err(Error::Invalid(
                "with a nats engine `engines.prefix` has no dot: it is part of a stream's name"
                    .into(),
            ));
        }
        let mut target = Target {
            servers: Vec::new(),
            place: String::new(),
            login: Login::Nobody,
            encrypted: false,
            ca: options.ca.clone(),
            buckets,
        };
        for text in options.url.trim().split(',') {
            let (scheme, rest) = text.trim().split_once("://").ok_or_else(bad)?;
            target.encrypted |= match scheme {
                "nats" => false,
                "tls" => true,
                _ => return Err(bad()),
            };
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (login, host) = match rest.rsplit_once('@') {
                Some((login, host)) => (Some(login), host),
                None => (None, rest),
            };
            if let (Some(login), Login::Nobody) = (login, &target.login) {
                target.login = match login.split_once(':') {
                    Some((user, password)) => Login::User(
                        decoded(user).map_err(|_| bad())?,
                        decoded(password).map_err(|_| bad())?,
                    ),
                    None => Login::Token(decoded(login).map_err(|_| bad())?),
                };
            }
            let address: ServerAddr = format!("{scheme}://{host}").parse().map_err(|_| bad())?;
            if host.is_empty() || host.contains(['/', '?', '#']) {
                return Err(bad());
            }
            if !target.place.is_empty() {
                target.place.push_str(", ");
            }
            target.place += &format!("{}:{}", address.host(), address.port());
            target.servers.push(address);
        }
        if let Some(ca) = &options.ca {
            let wrong = |why: String| Error::Io {
                path: ca.display().to_string(),
                why: format!("the CA file of the nats engine cannot be used: {why}"),
            };
            let text = std::fs::read(ca).map_err(|e| wrong(e.to_string()))?;
            if !text.windows(10).any(|w| w == b"-----BEGIN") {
                return Err(wrong("it holds no certificate in PEM".into()));
            }
        }
        Ok(target)
    }

    pub fn place(&self) -> &str {
        &self.place
    }
}
