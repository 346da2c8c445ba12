//! Tokens of requests: keys and rules of one configuration, and what was verified already.

use super::keys::Keys;
use super::token::{self, Bad, Claims};
use base::Finding;
use config::sections::Jwt;
use foldhash::HashMap;
use ring::digest::{SHA256, digest};
use std::sync::{Arc, Mutex};

/// Verified tokens that are remembered, in shards that each have a lock.
const SHARDS: usize = 16;
const PER_SHARD: usize = 1024;

type Digest = [u8; 32];

pub struct Reader {
    rules: Jwt,
    /// `None`: who stands in front has verified.
    keys: Option<Keys>,
    known: Vec<Mutex<HashMap<Digest, Arc<Claims>>>>,
}

impl Reader {
    /// # Errors
    /// When a key cannot be used.
    pub fn new(rules: &Jwt) -> Result<Reader, Finding> {
        let mut keys = match &rules.keys {
            Some(path) => Keys::read(path)?,
            None => Keys::default(),
        };
        if let Some(secret) = &rules.secret {
            keys.add_secret(secret.fetch()?.as_bytes())?;
        }
        Ok(Reader {
            keys: (!rules.verified_in_front).then_some(keys),
            rules: rules.clone(),
            known: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// What takes no token, because its keys could not be read.
    pub fn closed(rules: &Jwt) -> Reader {
        Reader {
            keys: Some(Keys::default()),
            rules: rules.clone(),
            known: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    pub fn header(&self) -> &str {
        &self.rules.header
    }

    /// # Errors
    /// Why the token is not good.
    pub fn read(&self, token: &[u8], unix: u64) -> Result<Arc<Claims>, Bad> {
        if token.len() > token::LONGEST {
            return Err(Bad::Form);
        }
        // What is looked up is trusted, so what it is looked up by must be as hard to forge as a signature.
        let digest: Digest = (digest(&SHA256, token).as_ref().try_into()).map_err(|_| Bad::Form)?;
        let shard = &self.known[digest[0] as usize % SHARDS];
        let known = || shard.lock().unwrap_or_else(|e| e.into_inner());
        let hit = known().get(&digest).cloned();
        if let Some(claims) = hit {
            claims.at(unix, self.rules.leeway.as_secs())?;
            return Ok(claims);
        }
        let claims = Arc::new(token::read(token, self.keys.as_ref(), &self.rules, unix)?);
        remember(&mut known(), digest, claims.clone(), unix);
        Ok(claims)
    }

    /// Tokens that need no second verification.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.known.iter().map(|s| s.lock().unwrap().len()).sum()
    }
}

/// In a full shard those that have expired make room, else all do: what is still in use comes back with its next request.
fn remember(
    shard: &mut HashMap<Digest, Arc<Claims>>,
    digest: Digest,
    claims: Arc<Claims>,
    unix: u64,
) {
    if shard.len() >= PER_SHARD {
        shard.retain(|_, c| c.until > unix);
    }
    if shard.len() >= PER_SHARD {
        shard.clear();
    }
    shard.insert(digest, claims);
}
