//! Follows the stream over one connection after another, and applies what it tells to this node's file. What does not fit together is
//! said, and nothing is applied then: a copy is right or is not read on.

use super::super::conn::Conn;
use super::super::fault::{Fault, odd};
use super::super::follow::{Follow, Place, Told, Wanted};
use super::super::message::{Found, time_ms};
use super::{Inner, codec, handing, joining};
use crate::Error;
use crate::embedded::copy::{Entry, Outcome, Reached};
use serde_json::Value;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

/// Messages that are applied in one transaction, at most, and that wait for that.
const PART: usize = 32;
/// Nodes that wait to be offered a copy.
const JOINS: usize = 16;
/// Before it is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// The same when the file cannot be written to.
const FULL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// What was there before is not applied yet.
    Begins,
    Follows,
    /// Nothing is applied, and why.
    Wrong(String),
}

/// For as long as a connection lasts. What is wrong with the copy alone is said, and looked at again.
pub fn follow(inner: Arc<Inner>, conn: Conn) -> Pin<Box<dyn Future<Output = Fault> + Send>> {
    Box::pin(async move {
        inner.state.send_replace(State::Begins);
        loop {
            let Err(ended) = follow_once(&conn, &inner).await;
            if let Fault::Lost(_) = ended {
                return ended;
            }
            inner.stopped(&ended);
            sleep(AGAIN).await;
        }
    })
}

impl Inner {
    fn stopped(&self, why: &Fault) {
        let now = match why {
            // It says so to whoever asks.
            Fault::Own(Error::Away { .. } | Error::Busy) => State::Begins,
            why => return self.says_of_its_copy(&why.to_string()),
        };
        self.turns(now);
    }

    pub(super) fn says_of_its_copy(&self, why: &str) {
        self.turns(State::Wrong(format!(
            "this node's copy of the {}: {why}",
            self.what
        )));
    }

    pub(super) fn turns(&self, now: State) {
        self.state.send_if_modified(|state| {
            let changed = *state != now;
            *state = now;
            changed
        });
    }
}

/// Whether what JetStream has can be what the copy is a copy of.
fn fits(info: &Value, reached: Reached) -> Result<Fits, Fault> {
    let number = |name: &str| info["state"][name].as_u64().ok_or_else(odd);
    let (first, last) = (number("first_seq")?, number("last_seq")?);
    if last < reached.seq {
        return Err(Fault::Own(Error::Invalid(format!(
            "JetStream ends with message {last}, and {} were applied here: it lost its end, or is an older copy; bring it back as it was, or \
             move the file away (and its -wal and -shm) at every node to go on with what is there",
            reached.seq
        ))));
    }
    if first > reached.seq + 1 {
        return Ok(Fits::Later(format!(
            "JetStream begins with message {first}, and {} were applied here: what is between them is gone",
            reached.seq
        )));
    }
    Ok(Fits::GoesOn)
}

#[derive(Debug, PartialEq, Eq)]
pub enum Fits {
    GoesOn,
    /// Messages are gone that were not applied here, and which.
    Later(String),
}

/// The last message that was applied must still be the same.
async fn is_same(conn: &Conn, stream: &str, reached: Reached) -> Result<(), Fault> {
    match conn.at(stream, reached.seq).await? {
        Some(found) if found.at_ms == reached.at_ms => Ok(()),
        found => Err(Fault::Own(Error::Invalid(format!(
            "message {} of JetStream {}: it is another stream, or an older copy that was gone on with; bring it back as it was, or move the file \
             away (and its -wal and -shm) to begin with what is there",
            reached.seq,
            match found {
                Some(_) => "is not the one that was applied here",
                None => "was applied here and is gone",
            }
        )))),
    }
}

/// Whether what JetStream has goes on from there: by its numbers, and by the last message that was applied. What was let go is not there to
/// be compared.
pub async fn goes_on(
    conn: &Conn,
    stream: &str,
    info: &Value,
    reached: Reached,
) -> Result<Fits, Fault> {
    let fits = fits(info, reached)?;
    let first = info["state"]["first_seq"].as_u64().ok_or_else(odd)?;
    if fits == Fits::GoesOn && reached.seq >= first.max(1) {
        is_same(conn, stream, reached).await?;
    }
    Ok(fits)
}

async fn follow_once(conn: &Conn, inner: &Inner) -> Result<Infallible, Fault> {
    let stream = inner.stream.clone();
    let mut info = conn.stream(&stream).await?;
    let source = info["created"].as_str().and_then(time_ms).ok_or_else(odd)?;
    let mut reached = inner.copy.begin_copy(source).await?;
    while let Fits::Later(gone) = goes_on(conn, &stream, &info, reached).await? {
        joining::join(conn, inner, source, &gone).await?;
        info = conn.stream(&stream).await?;
        reached = inner.copy.begin_copy(source).await?;
    }
    inner.applied.send_replace(reached.seq);
    // Of what came with another node's file nobody was told.
    (inner.news)();
    let wanted = Wanted {
        filter: format!("{stream}.>"),
        stream,
        headers_only: false,
    };
    let place = Place {
        born_ms: source,
        seq: reached.seq,
    };
    let mut follow = conn.follow(wanted, place).await?;
    let (given, messages) = channel(PART);
    let (join, joins) = channel(JOINS);
    tokio::select! {
        ended = take(&mut follow, given, inner) => ended,
        ended = apply(messages, reached.seq, join, inner) => ended,
        ended = handing::hand(conn, inner, joins) => ended,
    }
}

enum Next {
    Message(Box<Found>),
    /// All is here that was there when following began.
    Caught,
}

async fn take(
    follow: &mut Follow,
    given: Sender<Next>,
    inner: &Inner,
) -> Result<Infallible, Fault> {
    loop {
        let next = match follow.next().await? {
            Told::Message(found) => Next::Message(found),
            Told::Caught => Next::Caught,
            Told::Anew | Told::Gap(_) => {
                let why = "the stream changed while it was followed".to_owned();
                return Err(Fault::Lost(why));
            }
        };
        if given.send(next).await.is_err() {
            return Err(Fault::Own(inner.slow()));
        }
    }
}

async fn apply(
    mut messages: Receiver<Next>,
    mut last: u64,
    joins: Sender<String>,
    inner: &Inner,
) -> Result<Infallible, Fault> {
    let mut part = Vec::with_capacity(PART);
    let mut stood_still = false;
    while messages.recv_many(&mut part, PART).await > 0 {
        let (mut entries, mut asked, mut caught) = (Vec::new(), Vec::new(), false);
        let mut join = Vec::new();
        for next in part.drain(..) {
            let found = match next {
                Next::Message(found) => found,
                Next::Caught => {
                    caught = true;
                    continue;
                }
            };
            if found.seq != last + 1 {
                return Err(Fault::Own(Error::Invalid(format!(
                    "messages {} to {} of JetStream are missing: somebody removed them; begin with a copy of another node's file (`plimsoll backup`)",
                    last + 1,
                    found.seq - 1
                ))));
            }
            last = found.seq;
            join.extend(handing::wanted(&found).filter(|_| inner.is_following()));
            asked.push(codec::asked(&found, inner.asker));
            let command = (inner.read)(&found).map_err(|format| {
                Fault::Own(Error::Invalid(format!(
                    "message {} of JetStream is of format {format}, and this version of Plimsoll knows {}: upgrade this node",
                    found.seq,
                    codec::FORMAT
                )))
            })?;
            entries.push(Entry {
                seq: found.seq,
                at_ms: found.at_ms,
                command,
            });
        }
        if !entries.is_empty() {
            let outcomes = loop {
                match inner.copy.apply(entries.clone()).await {
                    Ok(outcomes) => break outcomes,
                    Err(e @ (Error::DiskFull { .. } | Error::Busy)) => {
                        stood_still = true;
                        inner.stopped(&Fault::Own(e));
                        sleep(FULL).await;
                    }
                    Err(e) => return Err(Fault::Own(e)),
                }
            };
            inner.applied.send_replace(last);
            for inbox in join {
                // One that nobody has time for asks again.
                let _ = joins.try_send(inbox);
            }
            // Before those who asked are told: what they were told is there for all who ask here.
            if outcomes.iter().any(Outcome::is_news) {
                (inner.news)();
            }
            for (asked, outcome) in asked.into_iter().zip(outcomes) {
                let Some(number) = asked else { continue };
                let waits = inner.asked().remove(&number);
                match waits {
                    Some(reply) => reply.send(Ok(outcome)),
                    None => (inner.late)(outcome),
                }
            }
        }
        if caught || std::mem::take(&mut stood_still) {
            inner.state.send_replace(State::Follows);
        }
    }
    Err(Fault::Own(inner.slow()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_that_lost_its_end_or_its_beginning_is_not_followed() {
        let fits = |first: u64, last: u64, seq: u64| {
            let info = json!({ "state": { "first_seq": first, "last_seq": last } });
            fits(&info, Reached { seq, at_ms: 0 }).map_err(|e| match e {
                Fault::Own(e) => e.to_string(),
                e => format!("{e:?}"),
            })
        };
        for (first, last, seq) in [
            (0, 0, 0),
            (1, 0, 0),
            (1, 9, 0),
            (1, 9, 9),
            (10, 9, 9),
            (5, 9, 4),
        ] {
            assert_eq!(fits(first, last, seq), Ok(Fits::GoesOn));
        }
        assert!(fits(1, 8, 9).unwrap_err().contains("lost its end"));
        let Ok(Fits::Later(gone)) = fits(5, 9, 3) else {
            panic!("messages are gone");
        };
        assert!(gone.contains("begins with message 5"), "{gone}");
        assert!(matches!(fits(2, 9, 0), Ok(Fits::Later(_))));
    }
}
