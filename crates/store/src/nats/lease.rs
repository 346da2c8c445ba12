//! Leases: a message each, with who has it, for how long, and its token. Whether it has ended is judged by the server: by when it
//! stored the message, and by its own time when asked. A token is the number of the message that began the holding, and numbers
//! only go up.

use super::Nats;
use super::bucket::Bucket;
use super::conn::Conn;
use super::fault::Fault;
use super::message::{self, Draft, Found, TOKEN, TTL};
use crate::lease::acceptable;
use crate::{Error, Holding, Lease};
use std::time::Duration;

/// How often a change begins again that others overtake.
const TRIES: usize = 8;

/// Who has it at this time of the server; `None`: nobody.
fn held(found: &Found, now_ms: u64) -> Option<Holding> {
    let ttl_ms = found.ttl_ms?;
    let left = found.at_ms.saturating_add(ttl_ms).saturating_sub(now_ms);
    let is_held = !found.is_gone && left > 0;
    is_held.then(|| Holding {
        owner: String::from_utf8_lossy(&found.value).into_owned(),
        token: found.token.unwrap_or(found.seq),
        left: Duration::from_millis(left.min(ttl_ms)),
    })
}

/// The last message of a lease, and who has it.
async fn look(
    conn: &Conn,
    bucket: &Bucket,
    name: &str,
) -> Result<(Option<Found>, Option<Holding>), Fault> {
    let stream = bucket.stream();
    let found = conn.last(&stream, &bucket.subject(name)).await?;
    let Some(found) = found else {
        return Ok((None, None));
    };
    // After the message: it may have been there for longer than this says, never for less.
    let info = conn.stream(&stream).await?;
    let now_ms = message::now_ms(&info).ok_or_else(|| {
        Error::Invalid("nats does not say its time: is it a nats-server of 2.11 or later?".into())
    })?;
    let holding = held(&found, now_ms);
    Ok((Some(found), holding))
}

async fn acquire(
    conn: Conn,
    bucket: Bucket,
    name: String,
    owner: String,
    ttl: Duration,
) -> Result<Holding, Fault> {
    for _ in 0..TRIES {
        let (found, holding) = look(&conn, &bucket, &name).await?;
        let ours = match holding {
            Some(holding) if holding.owner != owner => return Ok(holding),
            Some(holding) => Some(holding.token),
            None => None,
        };
        let mut headers = vec![(TTL, ttl.as_millis().max(1).to_string())];
        headers.extend(ours.map(|token| (TOKEN, token.to_string())));
        let draft = Draft {
            headers,
            value: owner.clone().into_bytes(),
            expected: Some(found.map_or(0, |f| f.seq)),
            ..Draft::default()
        };
        if let Some(seq) = conn.publish(bucket.subject(&name), draft).await? {
            return Ok(Holding {
                owner,
                token: ours.unwrap_or(seq),
                left: ttl,
            });
        }
    }
    Err(Error::Busy.into())
}

async fn release(
    conn: Conn,
    bucket: Bucket,
    name: String,
    owner: String,
    token: u64,
) -> Result<bool, Fault> {
    let (found, holding) = look(&conn, &bucket, &name).await?;
    let is_ours = holding.is_some_and(|h| h.owner == owner && h.token == token);
    let Some(found) = found.filter(|_| is_ours) else {
        return Ok(false);
    };
    let gone = Draft {
        expected: Some(found.seq),
        lifetime: None,
        ..Draft::gone(Duration::ZERO)
    };
    Ok(conn.publish(bucket.subject(&name), gone).await?.is_some())
}

impl Lease for Nats {
    fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
        _now_ms: u64,
    ) -> Result<Holding, Error> {
        acceptable(name, owner, ttl)?;
        let bucket = self.leases.clone();
        let (of, who) = (name.to_owned(), owner.to_owned());
        let asked = self
            .link
            .change(name, 0, move |conn| acquire(conn, bucket, of, who, ttl));
        asked.wait()
    }

    fn release(&self, name: &str, owner: &str, token: u64, _now_ms: u64) -> Result<bool, Error> {
        let bucket = self.leases.clone();
        let (of, who) = (name.to_owned(), owner.to_owned());
        let asked = self
            .link
            .change(name, 0, move |conn| release(conn, bucket, of, who, token));
        asked.wait()
    }

    fn holder(&self, name: &str, _now_ms: u64) -> Result<Option<Holding>, Error> {
        let (bucket, of) = (self.leases.clone(), name.to_owned());
        let asked = self.link.ask(name, 0, move |conn| async move {
            Ok(look(&conn, &bucket, &of).await?.1)
        });
        asked.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holding_ends_by_the_servers_own_time() {
        let mut found = Found {
            subject: String::new(),
            seq: 9,
            at_ms: 1_000,
            is_gone: false,
            expires_ms: None,
            token: None,
            ttl_ms: Some(500),
            headers: Default::default(),
            value: b"one".to_vec(),
        };
        let first = held(&found, 1_100).unwrap();
        assert_eq!((first.owner.as_str(), first.token), ("one", 9));
        assert_eq!(first.left, Duration::from_millis(400));
        assert_eq!(held(&found, 1_500), None);
        // A clock that went back gives nobody more than was asked for.
        assert_eq!(held(&found, 1).unwrap().left, Duration::from_millis(500));
        found.token = Some(4);
        assert_eq!(held(&found, 1_499).unwrap().token, 4);
        found.is_gone = true;
        assert_eq!(held(&found, 1_100), None);
        found = Found {
            is_gone: false,
            ttl_ms: None,
            ..found
        };
        assert_eq!(held(&found, 1_100), None);
    }
}
