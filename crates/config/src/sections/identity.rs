//! The section that says who asks, and how much it matters.

use super::Criticality;
use crate::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What later is surer: headers, then a token, then the client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Names of headers, lower case.
    pub user: Option<String>,
    pub tenant: Option<String>,
    /// `critical`, `normal` or `sheddable`; it can lower what the route says, not raise it.
    pub criticality: Option<String>,
    /// The user is who the client's certificate names, where it showed one.
    pub certificate: bool,
    pub jwt: Option<Jwt>,
    /// Costs are told by tenant and by user.
    pub costs: bool,
    /// Those that are told apart, sorted by name.
    pub tenants: Vec<Tenant>,
}

impl Identity {
    /// The files that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let jwt = self.jwt.iter();
        jwt.flat_map(|j| {
            let secret = match &j.secret {
                Some(Secret::File(path)) => Some(path),
                _ => None,
            };
            j.keys.iter().chain(secret)
        })
    }
}

/// Tokens that say who asks (RFC 7519), signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jwt {
    /// Header that carries it, lower case; `Bearer` before it is left out.
    pub header: String,
    /// Public keys: a JWK set or PEM.
    pub keys: Option<PathBuf>,
    /// For HS256.
    pub secret: Option<Secret>,
    /// Who stands in front has verified it: its signature is not looked at.
    pub verified_in_front: bool,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// By so much clocks may differ.
    pub leeway: Duration,
    /// Names of claims.
    pub user: String,
    pub tenant: Option<String>,
    pub criticality: Option<String>,
    pub bad: BadToken,
}

impl Default for Jwt {
    fn default() -> Self {
        Jwt {
            header: "authorization".into(),
            keys: None,
            secret: None,
            verified_in_front: false,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(60),
            user: "sub".into(),
            tenant: None,
            criticality: None,
            bad: BadToken::Refuse,
        }
    }
}

/// What becomes of a request whose token is not good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadToken {
    /// It gets 401.
    #[default]
    Refuse,
    /// It goes on as one of which nothing is known.
    Anonymous,
}

/// A customer with many users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    pub name: String,
    /// In bulkheads.
    pub weight: u32,
    /// Its requests matter no more than this.
    pub criticality: Option<Criticality>,
    /// Names in client certificates that are its.
    pub certificates: Vec<String>,
}

impl Tenant {
    pub fn named(name: &str) -> Tenant {
        Tenant {
            name: name.to_owned(),
            weight: 1,
            criticality: None,
            certificates: Vec::new(),
        }
    }
}
