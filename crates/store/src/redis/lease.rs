//! Leases: a key that expires by the server's clock, and beside it one that keeps the last token.

use super::script::Script;
use super::{Redis, odd};
use crate::lease::acceptable;
use crate::{Error, Holding, Lease};
use std::time::Duration;

impl Lease for Redis {
    fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
        _now_ms: u64,
    ) -> Result<Holding, Error> {
        acceptable(name, owner, ttl)?;
        let keys = [self.key("l", name), self.key("t", name)];
        let ttl_ms = ttl.as_millis().max(1).to_string();
        let arguments = vec![owner.as_bytes().to_vec(), ttl_ms.into_bytes()];
        let acquired = self.quick.run(Script::Acquire, &keys, arguments, |answer| {
            let read = || {
                let [token, owner, left] = answer.fields()?;
                Some(Holding {
                    owner: owner.text()?,
                    token: token.number()?,
                    // It may have none when it has just ended.
                    left: Duration::from_millis(left.number().unwrap_or(0)),
                })
            };
            read().ok_or_else(|| odd(Script::Acquire.name()))
        });
        acquired.wait()
    }

    fn release(&self, name: &str, owner: &str, token: u64, _now_ms: u64) -> Result<bool, Error> {
        let held = format!("{token} {owner}").into_bytes();
        let keys = [self.key("l", name)];
        let released = self
            .quick
            .run(Script::Release, &keys, vec![held], |answer| {
                answer.number().ok_or_else(|| odd(Script::Release.name()))
            });
        Ok(released.wait()? == 1)
    }

    fn holder(&self, name: &str, _now_ms: u64) -> Result<Option<Holding>, Error> {
        let key = self.key("l", name);
        let held = self.quick.command(&["GET", &key]);
        let left = self.quick.command(&["PTTL", &key]);
        let (held, left) = (held.wait()?, left.wait()?);
        let read = || {
            let text = held.text()?;
            let (token, owner) = text.split_once(' ')?;
            Some(Holding {
                owner: owner.to_owned(),
                token: token.parse().ok()?,
                left: Duration::from_millis(left.number()?),
            })
        };
        Ok(read())
    }
}
