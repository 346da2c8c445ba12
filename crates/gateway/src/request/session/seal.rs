//! A session sealed for its client: nobody can read or change it, and it is there when the store is not.

use super::record::Session;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// Browsers keep cookies of 4096 bytes: larger sessions have no copy.
pub const MOST: usize = 2800;

pub struct Seal(LessSafeKey);

impl Seal {
    /// Of a secret of the config. `None`: the key was refused.
    pub fn new(secret: &str) -> Option<Seal> {
        let key = Sha256::digest([b"plimsoll session copy ", secret.as_bytes()].concat());
        UnboundKey::new(&AES_256_GCM, &key)
            .ok()
            .map(|k| Seal(LessSafeKey::new(k)))
    }

    /// `key` is where the session is stored: a copy belongs to one id. `None`: it is too large.
    pub fn close(&self, session: &Session, key: &str, nonce: [u8; NONCE_LEN]) -> Option<String> {
        let mut text = session.write();
        if text.len() > MOST {
            return None;
        }
        let aad = Aad::from(key.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    pub fn open(&self, sealed: &[u8], key: &str) -> Option<Session> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), text.to_vec());
        let aad = Aad::from(key.as_bytes());
        let open = self.0.open_in_place(nonce, aad, &mut text).ok()?;
        Session::read(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_opens_for_its_id_under_its_secret_and_whole() {
        let session = Session {
            name: [1; 16],
            born_ms: 1,
            seen_ms: 2,
            version: 3,
            data: b"user=7".to_vec(),
        };
        let seal = Seal::new("a secret").unwrap();
        let sealed = seal.close(&session, "sess/a", [9; 12]).unwrap();
        assert_eq!(
            seal.open(sealed.as_bytes(), "sess/a"),
            Some(session.clone())
        );
        assert_eq!(seal.open(sealed.as_bytes(), "sess/b"), None);
        let other = Seal::new("another").unwrap();
        assert_eq!(other.open(sealed.as_bytes(), "sess/a"), None);
        for end in 0..sealed.len() {
            assert_eq!(seal.open(&sealed.as_bytes()[..end], "sess/a"), None);
        }
        let large = Session {
            data: vec![b'x'; MOST],
            ..session
        };
        assert_eq!(seal.close(&large, "sess/a", [9; 12]), None);
    }
}
