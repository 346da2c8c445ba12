//! Whether a token is good, and what it claims. Pure: the time is an argument.

use super::super::core::parse;
use super::keys::{Algorithm, Keys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::sections::{Criticality, Jwt};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longer ones are not looked at, bytes.
pub const LONGEST: usize = 8 * 1024;
/// Longest name of a user or tenant, bytes.
const LONGEST_NAME: usize = 256;

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// No token at all, or too long a one.
    Form,
    /// Of no key that is known, or of an algorithm that no key has.
    Key,
    Signature,
    /// Expired, not valid yet, or without an end.
    Time,
    /// For somebody else, or by somebody else.
    Issuer,
}

impl Bad {
    /// In the order of the enum.
    pub const NAMES: &[&str] = &[
        "malformed_token",
        "unknown_key",
        "bad_signature",
        "expired_token",
        "foreign_token",
    ];

    /// For the client.
    pub fn detail(self) -> &'static str {
        match self {
            Bad::Form => "the token cannot be read",
            Bad::Key => "the token is signed with a key or algorithm that is not accepted here",
            Bad::Signature => "the token's signature is not right",
            Bad::Time => "the token has expired, is not valid yet, or says not until when it is",
            Bad::Issuer => "the token is by another issuer or for another audience",
        }
    }
}

/// What a good token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    pub user: Option<String>,
    pub tenant: Option<String>,
    pub criticality: Option<Criticality>,
    /// Seconds since the Unix epoch.
    pub from: u64,
    pub until: u64,
}

impl Claims {
    /// # Errors
    /// When it is too early or too late for it.
    pub fn at(&self, unix: u64, leeway: u64) -> Result<(), Bad> {
        let early = unix.saturating_add(leeway) < self.from;
        let late = unix >= self.until.saturating_add(leeway);
        if early || late {
            Err(Bad::Time)
        } else {
            Ok(())
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 4.1.11).
    crit: Option<Value>,
}

/// Without `keys` the signature is not looked at: somebody else has.
pub fn read(token: &[u8], keys: Option<&Keys>, rules: &Jwt, unix: u64) -> Result<Claims, Bad> {
    if token.len() > LONGEST {
        return Err(Bad::Form);
    }
    let mut parts = token.splitn(3, |&b| b == b'.');
    let (Some(head), Some(body), Some(signature)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Bad::Form);
    };
    let header: Header = json(head)?;
    if header.crit.is_some() {
        return Err(Bad::Key);
    }
    if let Some(keys) = keys {
        let algorithm = Algorithm::named(&header.alg).ok_or(Bad::Key)?;
        let signed = &token[..head.len() + 1 + body.len()];
        let signature = decode(signature)?;
        match keys.verify(algorithm, header.kid.as_deref(), signed, &signature) {
            None => return Err(Bad::Key),
            Some(false) => return Err(Bad::Signature),
            Some(true) => {}
        }
    }
    let claims = claims(&json(body)?, rules)?;
    claims.at(unix, rules.leeway.as_secs())?;
    Ok(claims)
}

fn decode(part: &[u8]) -> Result<Vec<u8>, Bad> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Bad::Form)
}

fn json<T: for<'a> Deserialize<'a>>(part: &[u8]) -> Result<T, Bad> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Bad::Form)
}

fn claims(all: &Map<String, Value>, rules: &Jwt) -> Result<Claims, Bad> {
    let audience = match all.get("aud") {
        Some(Value::Array(many)) => many.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let meant = |wanted: &String| audience.iter().any(|a| a.as_str() == Some(wanted));
    let by = |wanted: &String| all.get("iss").and_then(Value::as_str) == Some(wanted);
    if !rules.audience.as_ref().is_none_or(meant) || !rules.issuer.as_ref().is_none_or(by) {
        return Err(Bad::Issuer);
    }
    let name = |claim: &str| name(all.get(claim));
    let said = rules.criticality.as_ref().and_then(|c| all.get(c));
    Ok(Claims {
        user: name(&rules.user),
        tenant: rules.tenant.as_deref().and_then(name),
        criticality: said
            .and_then(Value::as_str)
            .and_then(|c| parse(c.as_bytes())),
        from: all.get("nbf").map_or(Ok(0), seconds)?,
        until: all.get("exp").map_or(Err(Bad::Time), seconds)?,
    })
}

/// A `NumericDate`, which may have a fraction.
fn seconds(value: &Value) -> Result<u64, Bad> {
    let date = value.as_f64().filter(|s| *s >= 0.0);
    date.map(|s| s as u64).ok_or(Bad::Time)
}

/// Names are texts; some write numbers.
fn name(value: Option<&Value>) -> Option<String> {
    let name = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!name.is_empty() && name.len() <= LONGEST_NAME).then_some(name)
}
