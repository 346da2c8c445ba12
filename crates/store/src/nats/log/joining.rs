//! A node that joins when messages are gone that it would need fetches another node's file, and goes on from there. ADR 403.

use super::super::conn::Conn;
use super::super::fault::{Fault, chain, fault};
use super::super::message::{Draft, number, time_ms};
use super::super::subject;
use super::Inner;
use super::following::{self, Fits, State};
use super::handing::{BYTES, GONE, Question, REFUSED, Temporary, WANTED, is_inbox};
use crate::Error;
use crate::embedded::payload_name;
use crate::embedded::replace::{Received, received};
use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long nodes may take to offer, how many offers are looked at, and how long one answer may take.
const OFFERS: Duration = Duration::from_secs(2);
const MOST_OFFERS: usize = 16;
const ANSWER: Duration = Duration::from_secs(5);
/// How long a copy may take to be made, and how often it is asked whether it is there.
const MADE: Duration = Duration::from_secs(3600);
const LOOK: Duration = Duration::from_millis(100);
/// Before all are asked again: at first, and at most.
const AGAIN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(300);
/// No message of NATS, and so no payload, is larger, bytes.
const PAYLOAD: u64 = 64 << 20;

/// Puts another node's file in the place of this node's, for as long as it takes. `gone`: what is missing.
///
/// # Errors
/// When the connection broke, or the stream is another one.
pub async fn join(conn: &Conn, inner: &Inner, source: u64, gone: &str) -> Result<(), Fault> {
    let mut pause = AGAIN;
    loop {
        match once(conn, inner, source, gone).await {
            Err(Fault::Lost(why)) => return Err(Fault::Lost(why)),
            Err(why) => inner.says_of_its_copy(&format!(
                "{gone}; a copy of another node's file would do: {why}. It is asked for again and again; or begin with a copy by hand (`plimsoll \
                 backup`)"
            )),
            Ok(()) => return Ok(()),
        }
        sleep(pause).await;
        pause = SELDOM.min(2 * pause);
        let info = conn.stream(&inner.stream).await?;
        if info["created"].as_str().and_then(time_ms) != Some(source) {
            // Another stream has its name by now: whoever follows begins anew.
            return Err(Fault::Own(Error::Busy));
        }
    }
}

async fn once(conn: &Conn, inner: &Inner, source: u64, gone: &str) -> Result<(), Fault> {
    Temporary::sweep(inner.copy.path(), "fetched");
    let inbox = conn.client.new_inbox();
    let mut offers = conn.subscribe(&inbox).await?;
    let wanted = Draft {
        headers: vec![(WANTED, inbox.clone())],
        ..Draft::default()
    };
    conn.publish(subject::of_all(&inner.stream), wanted).await?;
    let mut last = other(
        "no other node that follows offers one (has its user the right to publish to `_INBOX.>`?)",
    );
    let until = Instant::now() + OFFERS;
    for _ in 0..MOST_OFFERS {
        let Ok(Some(offer)) = timeout_at(until, offers.next()).await else {
            break;
        };
        let node = String::from_utf8_lossy(&offer.payload).into_owned();
        if !is_inbox(&node) {
            continue;
        }
        inner.says_of_its_copy(&format!("{gone}; another node's file is being fetched"));
        let giver = Giver {
            conn,
            node,
            asker: inbox.clone(),
        };
        let fetched = giver.fetch(inner, source).await;
        let asker = inbox.clone();
        // It would be let go by itself.
        let _ = giver.ask(Question::Thanks { asker }).await;
        match fetched {
            Ok(()) => return Ok(()),
            Err(Fault::Lost(why)) => return Err(Fault::Lost(why)),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// A node that offered its file.
struct Giver<'c> {
    conn: &'c Conn,
    node: String,
    asker: String,
}

impl Giver<'_> {
    async fn fetch(&self, inner: &Inner, source: u64) -> Result<(), Fault> {
        let file = Temporary::beside(inner.copy.path(), "fetched");
        let size = self.is_made().await?;
        if size > inner.copy.room() {
            let room = inner.copy.room();
            return Err(Fault::Own(Error::Full {
                what: "the file of the other node".into(),
                holds: format!("{size} bytes"),
                limit: format!("{room} bytes here"),
            }));
        }
        self.part_by_part(None, size, &file.0).await?;
        // Whoever looks at it keeps it.
        let theirs = file.clone();
        let received = off_thread(move || received(&theirs.0, source)).await?;
        self.payloads(inner, &received).await?;
        self.goes_on(inner, &received).await?;
        // Whoever sees what is in it may append: that is waited for.
        inner.turns(State::Begins);
        Ok(inner.copy.replace(file.0.clone()).await?)
    }

    /// Whether what JetStream has follows what is in it.
    async fn goes_on(&self, inner: &Inner, received: &Received) -> Result<(), Fault> {
        let info = self.conn.stream(&inner.stream).await?;
        match following::goes_on(self.conn, &inner.stream, &info, received.reached).await? {
            Fits::GoesOn => Ok(()),
            Fits::Later(gone) => Err(other(&gone)),
        }
    }

    /// Those that are not here yet, on disk before anything speaks of them.
    async fn payloads(&self, inner: &Inner, received: &Received) -> Result<(), Fault> {
        let dir = inner.copy.payloads();
        let missing = received.payloads.iter().filter(|n| !dir.join(n).exists());
        let missing: Vec<&String> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&dir).map_err(|e| wrong(&dir, &e))?;
        for name in missing {
            // Under another name until it is whole.
            let new = dir.join("fetched");
            let Some(size) = self.size(name).await? else {
                // Its job has ended meanwhile, and the log says so.
                continue;
            };
            if size > PAYLOAD {
                return Err(other("a payload is larger than any can be"));
            }
            self.part_by_part(Some(name), size, &new).await?;
            let (path, name) = (dir.join(name), name.clone());
            off_thread(move || named(&new, &path, &name)).await?;
        }
        off_thread(move || {
            let synced = [Some(dir.as_path()), dir.parent()].into_iter().flatten();
            for dir in synced {
                let done = File::open(dir).and_then(|d| d.sync_all());
                done.map_err(|e| io_error(dir, &e))?;
            }
            Ok(())
        })
        .await
    }

    /// Its size, once the copy is made.
    async fn is_made(&self) -> Result<u64, Fault> {
        let until = Instant::now() + MADE;
        loop {
            let asker = self.asker.clone();
            let answer = self.ask(Question::Copy { asker }).await?;
            if let Some(size) = size(&answer) {
                return Ok(size);
            }
            if Instant::now() > until {
                return Err(other("it takes too long to make a copy"));
            }
            sleep(LOOK).await;
        }
    }

    /// The size of a payload; `None`: it is gone.
    async fn size(&self, payload: &str) -> Result<Option<u64>, Fault> {
        let answer = self.part(Some(payload), u64::MAX).await?;
        let is_gone = answer
            .headers
            .as_ref()
            .is_some_and(|h| h.get(GONE).is_some());
        match size(&answer) {
            Some(size) => Ok(Some(size)),
            None if is_gone => Ok(None),
            None => Err(odd()),
        }
    }

    async fn part(&self, payload: Option<&str>, at: u64) -> Result<Message, Fault> {
        let question = Question::Part {
            asker: self.asker.clone(),
            payload: payload.map(str::to_owned),
            at,
        };
        self.ask(question).await
    }

    async fn part_by_part(
        &self,
        payload: Option<&str>,
        whole: u64,
        to: &Path,
    ) -> Result<(), Fault> {
        let mut file = File::create(to).map_err(|e| wrong(to, &e))?;
        let mut at = 0;
        while at < whole {
            let answer = self.part(payload, at).await?;
            let part = &answer.payload;
            at += part.len() as u64;
            if size(&answer) != Some(whole) || part.is_empty() || at > whole {
                return Err(odd());
            }
            file.write_all(part).map_err(|e| wrong(to, &e))?;
        }
        let to = to.to_owned();
        off_thread(move || file.sync_all().map_err(|e| io_error(&to, &e))).await
    }

    async fn ask(&self, question: Question) -> Result<Message, Fault> {
        let question = Bytes::from(serde_json::to_vec(&question).unwrap_or_default());
        let request = async_nats::Request::new()
            .payload(question)
            .timeout(Some(ANSWER));
        let asked = self.conn.client.send_request(self.node.clone(), request);
        let answer = asked.await.map_err(|e| {
            let said = fault(&chain(&e));
            other(&format!(
                "the one that offered it: {said} (has the user of this node the right to publish to `_INBOX.>`?)"
            ))
        })?;
        let refused = answer.headers.as_ref().and_then(|h| h.get(REFUSED));
        match refused {
            None => Ok(answer),
            Some(why) => Err(other(&format!("the one that offered it: {}", why.as_str()))),
        }
    }
}

fn size(answer: &Message) -> Option<u64> {
    number(answer.headers.as_ref()?, BYTES)
}

fn other(why: &str) -> Fault {
    Fault::Own(Error::Invalid(why.to_owned()))
}

fn odd() -> Fault {
    other("the one that offered it answers with something unexpected")
}

fn wrong(path: &Path, e: &io::Error) -> Fault {
    Fault::Own(io_error(path, e))
}

fn io_error(path: &Path, e: &io::Error) -> Error {
    let path = path.display().to_string();
    match e.kind() {
        io::ErrorKind::StorageFull => Error::DiskFull { path },
        _ => Error::Io {
            path,
            why: e.to_string(),
        },
    }
}

/// Gives a payload its name, which is the hash of what it holds.
fn named(new: &Path, path: &Path, name: &str) -> Result<(), Error> {
    let hashed = || {
        let (mut file, mut hash, mut chunk) = (File::open(new)?, Sha256::new(), [0; 64 << 10]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hash.finalize()),
                n => hash.update(&chunk[..n]),
            }
        }
    };
    let digest = hashed().map_err(|e: io::Error| io_error(new, &e))?;
    if payload_name(&digest) != name {
        return Err(Error::Invalid(
            "the one that offered it gave another payload than was asked for".into(),
        ));
    }
    fs::rename(new, path).map_err(|e| io_error(path, &e))
}

/// What reads or waits for the disk, beside what the connection does.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    let broke = |_| Fault::Own(Error::Invalid("the work on the copy broke off".into()));
    Ok(done.map_err(broke)??)
}
