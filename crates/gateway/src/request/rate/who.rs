//! Whose request it is, for what counts by key.

use crate::exchange::Exchange;
use config::sections::RateKey;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// What kind of key a request counts by, and the key. Who is not known by it counts by address, not as one big anonymous
/// client.
pub fn of<T>(key: &RateKey, x: &Exchange<'_>, of: impl Fn(u8, &[u8]) -> T) -> T {
    let known = match key {
        RateKey::All => return of(b'*', b""),
        RateKey::Client => None,
        RateKey::User => x.user.map(|user| of(b'u', &user.to_le_bytes())),
        RateKey::Tenant => x.tenant.map(|t| of(b't', &t.hash.to_le_bytes())),
        RateKey::Header(name) => x.head.get(name).map(|value| of(b'h', value)),
    };
    known.unwrap_or_else(|| of(b'c', &address(&x.client)))
}

/// What every node and the engine know a key by: no client can be read from it at a glance.
pub fn name(scope: &str, kind: u8, key: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(scope.as_bytes());
    hash.update([0xff, kind]);
    hash.update(key);
    let hash = hash.finalize();
    hash[..16].iter().map(|b| format!("{b:02x}")).collect()
}

/// The part of an address that a client cannot choose at will: of IPv6 the first 64 bits.
fn address(client: &IpAddr) -> [u8; 8] {
    let mut out = [0; 8];
    match client.to_canonical() {
        IpAddr::V4(a) => out[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => out.copy_from_slice(&a.octets()[..8]),
    }
    out
}
