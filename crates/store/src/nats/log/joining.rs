//! A node that joins when messages are gone that it would need fetches another node's file, and goes on from there. ADR 403.

use super::super::conn::Conn;
use super::super::fault::{Fault, chain, fault};
use super::super::message::{Draft, number};
use super::super::subject;
use super::Inner;
use super::following::State;
use super::handing::{BYTES, Question, REFUSED, WANTED, remove, subscribe};
use crate::Error;
use crate::embedded::{is_payload, replace::received};
use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long nodes may take to offer, and one to answer.
const OFFERS: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// How long a copy may take to be made, and how often it is asked whether it is there.
const MADE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(100);

/// What was fetched, removed with its payloads when it is not needed any more.
struct Fetched(PathBuf);

impl Drop for Fetched {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Puts another node's file in the place of this node's. `why`: what is missing.
///
/// # Errors
/// When no node that follows gives one that can be used.
pub async fn join(conn: &Conn, inner: &Inner, source: u64, why: &str) -> Result<(), Fault> {
    let inbox = conn.client.new_inbox();
    let mut offers = subscribe(conn, &inbox).await?;
    let wanted = Draft {
        headers: vec![(WANTED, inbox.clone())],
        ..Draft::default()
    };
    conn.publish(subject::of_all(&inner.stream), wanted).await?;
    let mut last = "no other node that follows offers one (does its user have the right to publish to `_INBOX.>`?)".to_owned();
    let until = Instant::now() + OFFERS;
    while let Ok(Some(offer)) = timeout_at(until, offers.next()).await {
        let Ok(node) = std::str::from_utf8(&offer.payload) else {
            continue;
        };
        let giver = Giver {
            conn,
            node: node.to_owned(),
            asker: inbox.clone(),
        };
        match giver.fetch(inner, source).await {
            Ok(()) => return Ok(()),
            Err(Fault::Lost(why)) => return Err(Fault::Lost(why)),
            Err(e) => last = e.to_string(),
        }
    }
    Err(Fault::Own(Error::Invalid(format!(
        "{why}; a copy of another node's file would do: {last}. It is asked for again and again; or begin with a copy by hand (`plimsoll backup`)"
    ))))
}

/// A node that offered its file.
struct Giver<'c> {
    conn: &'c Conn,
    node: String,
    asker: String,
}

impl Giver<'_> {
    async fn fetch(&self, inner: &Inner, source: u64) -> Result<(), Fault> {
        let fetched = Fetched(inner.copy.path().with_added_extension("fetched"));
        remove(&fetched.0);
        self.is_made().await?;
        self.part_by_part(None, &fetched.0).await?;
        let path = fetched.0.clone();
        let names = off_thread(move || received(&path, source)).await?;
        let dir = inner.copy.payloads();
        for name in names.into_iter().filter(|n| is_payload(n)) {
            let path = dir.join(&name);
            if path.exists() {
                continue;
            }
            fs::create_dir_all(&dir).map_err(|e| wrong(&dir, &e))?;
            // Under another name until it is whole.
            let new = dir.join("fetched");
            self.part_by_part(Some(&name), &new).await?;
            fs::rename(&new, &path).map_err(|e| wrong(&path, &e))?;
        }
        // Whoever sees what is in it may append: that is waited for.
        inner.turns(State::Begins);
        inner.copy.replace(fetched.0.clone()).await?;
        let asker = self.asker.clone();
        // It would go by itself.
        let _ = self.ask(Question::Thanks { asker }).await;
        Ok(())
    }

    async fn is_made(&self) -> Result<(), Fault> {
        let until = Instant::now() + MADE;
        loop {
            let asker = self.asker.clone();
            let answer = self.ask(Question::Copy { asker }).await?;
            if size(&answer).is_some() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(other("it takes too long to make a copy"));
            }
            sleep(LOOK).await;
        }
    }

    async fn part_by_part(&self, payload: Option<&str>, to: &Path) -> Result<(), Fault> {
        let io = |e: io::Error| wrong(to, &e);
        let mut file = File::create(to).map_err(io)?;
        let mut at = 0;
        loop {
            let question = Question::Part {
                asker: self.asker.clone(),
                payload: payload.map(str::to_owned),
                at,
            };
            let answer = self.ask(question).await?;
            file.write_all(&answer.payload).map_err(io)?;
            at += answer.payload.len() as u64;
            match size(&answer) {
                Some(size) if at == size => break,
                Some(_) if !answer.payload.is_empty() => {}
                _ => return Err(other("it answers with something unexpected")),
            }
        }
        off_thread(move || file.sync_all().map_err(|e| Error::Invalid(e.to_string()))).await
    }

    async fn ask(&self, question: Question) -> Result<Message, Fault> {
        let question = Bytes::from(serde_json::to_vec(&question).unwrap_or_default());
        let request = async_nats::Request::new()
            .payload(question)
            .timeout(Some(ANSWER));
        let asked = self.conn.client.send_request(self.node.clone(), request);
        let answer = match timeout(2 * ANSWER, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(other(&fault(&chain(&e)))),
            Err(_) => return Err(other("no answer")),
        };
        let refused = answer.headers.as_ref().and_then(|h| h.get(REFUSED));
        match refused {
            None => Ok(answer),
            Some(why) => Err(other(why.as_str())),
        }
    }
}

fn size(answer: &Message) -> Option<u64> {
    number(answer.headers.as_ref()?, BYTES)
}

fn other(why: &str) -> Fault {
    Fault::Own(Error::Invalid(format!("the one that offered it: {why}")))
}

fn wrong(path: &Path, e: &io::Error) -> Fault {
    let path = path.display().to_string();
    Fault::Own(match e.kind() {
        io::ErrorKind::StorageFull => Error::DiskFull { path },
        _ => Error::Io {
            path,
            why: e.to_string(),
        },
    })
}

/// What reads or waits for the disk, beside what the connection does.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    let broke = |_| Fault::Own(Error::Invalid("the work on the copy broke off".into()));
    Ok(done.map_err(broke)??)
}
