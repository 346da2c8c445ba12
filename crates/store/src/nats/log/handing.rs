//! A node that follows gives its file to one that joins when messages are gone that it would need. Who joins asks all by a message in the log;
//! those that follow offer an inbox, one of which is asked for a copy, and then for its parts. Nothing is made before somebody asks, one copy
//! at a time, and it goes when nobody asks for its parts any more. ADR 403.

use super::super::conn::Conn;
use super::super::fault::{Fault, chain, fault};
use super::super::message::Found;
use super::Inner;
use crate::Error;
use crate::embedded;
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The header by which a message in the log asks for a copy: the inbox for offers. It has no format, so that it is nothing to versions that do not
/// know it.
pub const WANTED: &str = "Plimsoll-Copy";
/// The headers of answers: why there is none, and how many bytes the whole has.
pub const REFUSED: &str = "Plimsoll-Refused";
pub const BYTES: &str = "Plimsoll-Bytes";
/// Most bytes of one answer, and room for its headers.
const PART: usize = 512 << 10;
const HEADERS: usize = 1 << 10;
/// A copy of which nobody asked for a part for so long is removed.
const UNUSED: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// Make a copy, or say how far it is: an answer without bytes until it is there.
    Copy { asker: String },
    /// A part of the copy, or of the payload of that name, from there on.
    Part {
        asker: String,
        payload: Option<String>,
        at: u64,
    },
    /// It is not needed any more.
    Thanks { asker: String },
}

/// The inbox for offers, where a message in the log asks for a copy.
pub fn wanted(found: &Found) -> Option<String> {
    let inbox = found.headers.get(WANTED)?.as_str();
    let is_inbox = inbox.strip_prefix("_INBOX.").is_some_and(|rest| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !rest.is_empty() && rest.len() < 128 && rest.bytes().all(fits)
    });
    is_inbox.then(|| inbox.to_owned())
}

enum Copy {
    Making(JoinHandle<Result<(), Error>>),
    Made(File),
}

/// What somebody fetches.
struct Handed {
    asker: String,
    copy: Copy,
    path: PathBuf,
    unused: Instant,
}

impl Handed {
    fn is_being_made(&self) -> bool {
        matches!(&self.copy, Copy::Making(making) if !making.is_finished())
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// One that is not there is as good.
pub fn remove(copy: &Path) {
    for path in ["", "wal", "shm", "lock"] {
        let _ = match path {
            "" => fs::remove_file(copy),
            end => {
                let mut name = copy.as_os_str().to_owned();
                name.push(format!("-{end}"));
                fs::remove_file(name)
            }
        };
    }
    let _ = fs::remove_dir_all(embedded::payloads(copy));
}

/// Answers those who join, for as long as the connection lasts.
pub async fn hand(
    conn: &Conn,
    inner: &Inner,
    mut wanted: Receiver<String>,
) -> Result<Infallible, Fault> {
    let inbox = conn.client.new_inbox();
    let mut questions = subscribe(conn, &inbox).await?;
    let path = inner.copy.path().with_added_extension("handed");
    remove(&path);
    let mut handed: Option<Handed> = None;
    loop {
        let unused = handed.as_ref().map(|h| h.unused);
        let over = async {
            match unused {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asker = wanted.recv() => match asker {
                Some(asker) => say(conn, &asker, HeaderMap::new(), inbox.clone().into()).await?,
                None => return Err(Fault::Own(inner.slow())),
            },
            question = questions.next() => {
                let lost = || Fault::Lost("the connection broke".into());
                let question = question.ok_or_else(lost)?;
                answer(conn, inner, &path, &mut handed, question).await?;
            }
            () = over => {
                // What is being made is written to until it is whole.
                match handed.as_mut().filter(|h| h.is_being_made()) {
                    Some(made) => made.unused = Instant::now() + UNUSED,
                    None => handed = None,
                }
            }
        }
    }
}

pub async fn subscribe(conn: &Conn, inbox: &str) -> Result<Subscriber, Fault> {
    let subscribed = conn.client.subscribe(inbox.to_owned()).await;
    subscribed.map_err(|e| Fault::Lost(fault(&chain(&e))))
}

async fn say(conn: &Conn, to: &str, headers: HeaderMap, payload: Bytes) -> Result<(), Fault> {
    let said = conn
        .client
        .publish_with_headers(to.to_owned(), headers, payload);
    said.await.map_err(|e| Fault::Lost(fault(&chain(&e))))
}

async fn answer(
    conn: &Conn,
    inner: &Inner,
    path: &Path,
    handed: &mut Option<Handed>,
    message: Message,
) -> Result<(), Fault> {
    let Some(reply) = message.reply else {
        return Ok(());
    };
    let most = PART.min(conn.max_payload.saturating_sub(HEADERS));
    let said = match serde_json::from_slice(&message.payload) {
        Ok(question) => respond(inner, path, handed, question, most).await,
        Err(e) => Err(format!("not a question: {e}")),
    };
    let (mut headers, mut part) = (HeaderMap::new(), Vec::new());
    match said {
        Ok(Some((bytes, read))) => {
            headers.insert(BYTES, bytes.to_string().as_str());
            part = read;
        }
        Ok(None) => {}
        Err(why) => headers.insert(REFUSED, why.replace(['\r', '\n'], " ").as_str()),
    }
    say(conn, &reply, headers, part.into()).await
}

/// How many bytes the whole has, and those that were asked for; `None`: there is nothing to say yet.
type Part = Option<(u64, Vec<u8>)>;

async fn respond(
    inner: &Inner,
    path: &Path,
    handed: &mut Option<Handed>,
    question: Question,
    most: usize,
) -> Result<Part, String> {
    let unused = Instant::now() + UNUSED;
    match question {
        Question::Copy { asker } => {
            let one = handed.get_or_insert_with(|| {
                let (from, to) = (inner.copy.path().to_owned(), path.to_owned());
                let make = move || {
                    remove(&to);
                    embedded::copy(&from, &to)
                };
                Handed {
                    asker: asker.clone(),
                    copy: Copy::Making(tokio::task::spawn_blocking(make)),
                    path: path.to_owned(),
                    unused,
                }
            });
            if one.asker != asker {
                return Err("another node is being given a copy; ask again later".into());
            }
            one.unused = unused;
            match made(one).await {
                Ok(Some(bytes)) => Ok(Some((bytes, Vec::new()))),
                Ok(None) => Ok(None),
                Err(why) => {
                    *handed = None;
                    Err(why)
                }
            }
        }
        Question::Part { asker, payload, at } => {
            let gone = || "there is no copy any more; ask again".to_owned();
            let one = handed.as_mut().filter(|h| h.asker == asker);
            let one = one.ok_or_else(gone)?;
            one.unused = unused;
            let io = |e: io::Error| e.to_string();
            match (&one.copy, payload) {
                (Copy::Made(file), None) => read(file, at, most).map(Some).map_err(io),
                (Copy::Made(_), Some(name)) if embedded::is_payload(&name) => {
                    let file = File::open(embedded::payloads(&one.path).join(&name));
                    let part = file.and_then(|f| read(&f, at, most));
                    part.map(Some).map_err(io)
                }
                _ => Err(gone()),
            }
        }
        Question::Thanks { asker } => {
            handed.take_if(|h| h.asker == asker && !h.is_being_made());
            Ok(None)
        }
    }
}

/// The size of the copy, once it is made.
async fn made(handed: &mut Handed) -> Result<Option<u64>, String> {
    if let Copy::Making(making) = &mut handed.copy {
        if !making.is_finished() {
            return Ok(None);
        }
        let made = making.await.map_err(|e| e.to_string())?;
        made.map_err(|e| e.to_string())?;
        handed.copy = Copy::Made(File::open(&handed.path).map_err(|e| e.to_string())?);
    }
    match &handed.copy {
        Copy::Made(file) => {
            let size = file.metadata().map_err(|e| e.to_string())?.len();
            Ok(Some(size))
        }
        Copy::Making(_) => Ok(None),
    }
}

fn read(file: &File, at: u64, most: usize) -> io::Result<(u64, Vec<u8>)> {
    let size = file.metadata()?.len();
    let left = size.saturating_sub(at).min(most as u64) as usize;
    let mut part = vec![0; left];
    file.read_exact_at(&mut part, at)?;
    Ok((size, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(inbox: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(WANTED, inbox);
        wanted(&Found::new("s.=".into(), 1, 0, headers, Vec::new()))
    }

    #[test]
    fn an_offer_goes_to_an_inbox_and_nowhere_else() {
        assert_eq!(asks("_INBOX.abc.1"), Some("_INBOX.abc.1".into()));
        for odd in [
            "",
            "_INBOX.",
            "$JS.API.STREAM.PURGE.s",
            "_INBOX.*",
            "_INBOX.>",
            "_INBOX.a b",
        ] {
            assert_eq!(asks(odd), None, "{odd}");
        }
        let plain = Found::new("s.=".into(), 1, 0, HeaderMap::new(), Vec::new());
        assert_eq!(wanted(&plain), None);
    }

    #[test]
    fn parts_end_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let part = |at, most| read(&file, at, most).unwrap();
        assert_eq!(part(0, 4), (10, b"0123".to_vec()));
        assert_eq!(part(8, 4), (10, b"89".to_vec()));
        assert_eq!(part(10, 4), (10, Vec::new()));
        assert_eq!(part(u64::MAX, 4), (10, Vec::new()));
    }
}
