//! The keys that tokens are verified with. A key has one algorithm, by what it is (RFC 8725 3.1): what a token says of
//! its own algorithm can only exclude keys, never choose how one is used.

use base::Finding;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use std::path::Path;
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Keys of one file; a token that names none is tried with all of its algorithm.
const MOST: usize = 16;
/// Larger files are no keys, bytes.
const LARGEST: u64 = 1 << 18;
/// Shorter secrets can be guessed (RFC 7518 3.2), bytes.
const SHORTEST_SECRET: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
}

impl Algorithm {
    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "HS256" => Some(Algorithm::Hs256),
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            _ => None,
        }
    }
}

enum Material {
    Secret(hmac::Key),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// With its algorithm.
    Encoded(UnparsedPublicKey<Vec<u8>>, Algorithm),
}

struct Key {
    /// `kid`.
    id: Option<String>,
    material: Material,
}

#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Of a file: a JWK set (RFC 7517), or public keys in PEM.
    ///
    /// # Errors
    /// When it cannot be read or has no key in it that can be used.
    pub fn read(path: &Path) -> Result<Keys, Finding> {
        let wrong = |what: &str| {
            Finding::error(
                "jwt-keys",
                format!("the key file {} {what}", path.display()),
            )
        };
        if std::fs::metadata(path).is_ok_and(|m| m.len() > LARGEST) {
            return Err(wrong("is larger than 256 KiB"));
        }
        let text = std::fs::read(path).map_err(|e| {
            wrong(&format!("cannot be read: {e}"))
                .help("paths are relative to the folder where Plimsoll was started")
        })?;
        let json = text.trim_ascii_start().starts_with(b"{");
        let keys = match json {
            true => set(&text).map_err(|e| wrong(&format!("is no JWK set: {e}")))?,
            false => pem(&text).map_err(|e| wrong(&e))?,
        };
        match keys.len() {
            0 => Err(wrong("has no key in it that is for RS256, ES256 or HS256")
                .help("give a JWK set `{\"keys\": [...]}`, or PEM with `BEGIN PUBLIC KEY`")),
            n if n > MOST => Err(wrong(&format!("has {n} keys; at most {MOST} are taken"))),
            _ => Ok(Keys(keys)),
        }
    }

    /// # Errors
    /// When it is too short to be safe.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), Finding> {
        let Some(material) = secret_key(secret) else {
            let what = format!("the secret for HS256 has {} bytes", secret.len());
            return Err(Finding::error("jwt-keys", what)
                .why("shorter ones than 32 bytes can be guessed from one token")
                .help("make one with `openssl rand -hex 32`"));
        };
        self.0.push(Key { id: None, material });
        Ok(())
    }

    /// Whether the signature is of one of those keys that it may be of. `None`: there is no such key.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let named = |key: &&Key| match (&key.id, id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        };
        let fitting = (self.0.iter()).filter(|k| k.material.algorithm() == algorithm);
        let mut fitting = fitting.filter(named).peekable();
        fitting.peek()?;
        Some(fitting.any(|k| k.material.verify(message, signature)))
    }
}

impl Material {
    fn algorithm(&self) -> Algorithm {
        match self {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa(_) => Algorithm::Rs256,
            Material::Encoded(_, algorithm) => *algorithm,
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Rsa(key) => {
                (key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)).is_ok()
            }
            Material::Encoded(key, _) => key.verify(message, signature).is_ok(),
        }
    }
}

fn secret_key(secret: &[u8]) -> Option<Material> {
    let long = secret.len() >= SHORTEST_SECRET;
    long.then(|| Material::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)))
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    #[serde(default)]
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

/// Those that can be used; a set may hold others beside them.
fn set(text: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let set: Set = serde_json::from_slice(text)?;
    let key = |jwk: Jwk| {
        let material = jwk.material()?;
        let told = jwk.alg.as_deref().map(Algorithm::named);
        let fits = told.is_none_or(|told| told == Some(material.algorithm()));
        let signs = jwk.purpose.as_deref().is_none_or(|p| p == "sig");
        (fits && signs).then_some(Key {
            id: jwk.kid,
            material,
        })
    };
    Ok(set.keys.into_iter().filter_map(key).collect())
}

impl Jwk {
    fn material(&self) -> Option<Material> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        match self.kty.as_str() {
            "RSA" => Some(Material::Rsa(RsaPublicKeyComponents {
                n: bytes(&self.n)?,
                e: bytes(&self.e)?,
            })),
            "EC" if self.crv.as_deref() == Some("P-256") => {
                let point = [vec![4], bytes(&self.x)?, bytes(&self.y)?].concat();
                Some(p256(point))
            }
            "oct" => secret_key(&bytes(&self.k)?),
            _ => None,
        }
    }
}

fn p256(point: Vec<u8>) -> Material {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED as &'static _, point);
    Material::Encoded(key, Algorithm::Es256)
}

fn pem(text: &[u8]) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for der in SubjectPublicKeyInfoDer::pem_slice_iter(text) {
        let der = der.map_err(|_| "is not PEM".to_owned())?;
        let Some(material) = spki(&der) else {
            return Err("has a public key in it that is neither RSA nor P-256".into());
        };
        keys.push(Key { id: None, material });
    }
    Ok(keys)
}

/// `AlgorithmIdentifier` of RSA, and of P-256 (RFC 5480), as DER.
pub(super) const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// A `SubjectPublicKeyInfo`: what kind of key it is, then the key as a bit string.
fn spki(der: &[u8]) -> Option<Material> {
    let inner = contents(der, 0x30)?;
    let key = |rest| contents(rest, 0x03)?.strip_prefix(&[0]).map(<[u8]>::to_vec);
    if let Some(rest) = inner.strip_prefix(RSA) {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256 as &'static _, key(rest)?);
        return Some(Material::Encoded(key, Algorithm::Rs256));
    }
    Some(p256(key(inner.strip_prefix(P256)?)?))
}

/// What is in a DER value of this tag that fills all of `der`.
fn contents(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (first as usize, rest),
        0x81 => (*rest.first()? as usize, rest.get(1..)?),
        0x82 => (
            u16::from_be_bytes([*rest.first()?, *rest.get(1)?]) as usize,
            rest.get(2..)?,
        ),
        _ => return None,
    };
    (rest.len() == length).then_some(rest)
}
