//! A node that follows gives its file to one that joins when messages are gone that it would need. Who joins asks all by a message in the log;
//! those that follow offer an inbox, one of which is asked for a copy, and then for its parts. Nothing is made before somebody asks, one copy
//! at a time, and it goes when nobody asks for its parts any more. ADR 403.

use super::super::conn::Conn;
use super::super::fault::{Fault, chain, fault};
use super::super::message::Found;
use super::Inner;
use crate::Error;
use crate::embedded;
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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
/// Instead of bytes: the payload is gone, as its job has ended.
pub const GONE: &str = "Plimsoll-Gone";
/// Most bytes of one answer: on a slow link those of JetStream come between two of them.
const PART: usize = 128 << 10;
/// A copy of which nobody asked for a part for so long is removed.
const UNUSED: Duration = Duration::from_secs(30);
/// Most characters of a reason.
const WHY: usize = 300;

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
    is_inbox(inbox).then(|| inbox.to_owned())
}

/// Whether somebody may be answered there: what others say is sent nowhere else.
pub fn is_inbox(subject: &str) -> bool {
    subject.strip_prefix("_INBOX.").is_some_and(|rest| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !rest.is_empty() && rest.len() < 128 && rest.bytes().all(fits)
    })
}

/// A file beside another one, removed with all that belongs to it when nobody needs it any more. Each has a name of its own: whoever works on one
/// may do so for longer than it is wanted.
pub struct Temporary(pub PathBuf);

impl Temporary {
    /// `what`: the last part of its name.
    pub fn beside(path: &Path, what: &str) -> Arc<Temporary> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("{what}-{}-{count}", std::process::id());
        Arc::new(Temporary(path.with_added_extension(name)))
    }

    /// Removes those that a process left that was killed.
    pub fn sweep(path: &Path, what: &str) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        let begins = format!("{}.{what}-", name.to_string_lossy());
        let own = format!("{begins}{}-", std::process::id());
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&begins) && !name.starts_with(&own) {
                let path = entry.path();
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.0.as_os_str().to_owned();
            name.push(end);
            // One that is not there is as good.
            let _ = fs::remove_file(name);
        }
        let _ = fs::remove_dir_all(embedded::payloads(&self.0));
    }
}

enum Copy {
    Making(JoinHandle<Result<(), Error>>),
    Made(File),
}

/// What somebody fetches.
struct Handed {
    asker: String,
    copy: Copy,
    file: Arc<Temporary>,
    unused: Instant,
}

impl Handed {
    /// Begins to make a copy of the file at `from`.
    fn begin(asker: String, from: &Path, unused: Instant) -> Handed {
        let file = Temporary::beside(from, "handed");
        let (from, to) = (from.to_owned(), file.clone());
        let make = move || {
            has_room(&from)?;
            embedded::copy(&from, &to.0)
        };
        Handed {
            asker,
            copy: Copy::Making(tokio::task::spawn_blocking(make)),
            file,
            unused,
        }
    }

    fn is_being_made(&self) -> bool {
        matches!(&self.copy, Copy::Making(making) if !making.is_finished())
    }

    /// The size of the copy, once it is made.
    async fn size(&mut self) -> Result<Option<u64>, String> {
        if let Copy::Making(making) = &mut self.copy {
            if !making.is_finished() {
                return Ok(None);
            }
            let made = making.await.map_err(|e| e.to_string())?;
            made.map_err(|e| e.to_string())?;
            self.copy = Copy::Made(File::open(&self.file.0).map_err(|e| e.to_string())?);
        }
        match &self.copy {
            Copy::Made(file) => {
                let size = file.metadata().map_err(|e| e.to_string())?.len();
                Ok(Some(size))
            }
            Copy::Making(_) => Ok(None),
        }
    }
}

/// A copy must not take the room that this node itself needs.
fn has_room(file: &Path) -> Result<(), Error> {
    let dir = file.parent().unwrap_or(Path::new("."));
    let size = fs::metadata(file).map_or(0, |m| m.len());
    match crate::embedded::schema::free(dir) {
        Some(free) if free < size.saturating_mul(2) => Err(Error::DiskFull {
            path: dir.display().to_string(),
        }),
        _ => Ok(()),
    }
}

/// Answers those who join, for as long as the connection lasts.
pub async fn hand(
    conn: &Conn,
    inner: &Inner,
    mut wanted: Receiver<String>,
) -> Result<Infallible, Fault> {
    let inbox = conn.client.new_inbox();
    let mut questions = conn.subscribe(&inbox).await?;
    Temporary::sweep(inner.copy.path(), "handed");
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
                answer(conn, inner, &mut handed, question).await?;
            }
            () = over => {
                // What is being made is made to its end before the next one is.
                match handed.as_mut().filter(|h| h.is_being_made()) {
                    Some(made) => made.unused = Instant::now() + UNUSED,
                    None => handed = None,
                }
            }
        }
    }
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
    handed: &mut Option<Handed>,
    message: Message,
) -> Result<(), Fault> {
    let Some(reply) = message.reply.filter(|r| is_inbox(r)) else {
        return Ok(());
    };
    let said = match serde_json::from_slice(&message.payload) {
        Ok(question) => respond(inner, handed, question).await,
        Err(e) => Answer::Refused(format!("not a question: {e}")),
    };
    let (mut headers, mut bytes) = (HeaderMap::new(), Vec::new());
    match said {
        Answer::Part(size, part) => {
            headers.insert(BYTES, size.to_string().as_str());
            bytes = part;
        }
        Answer::Nothing => {}
        Answer::Gone => headers.insert(GONE, "1"),
        Answer::Refused(why) => {
            let why: String = why.chars().filter(|c| !c.is_control()).take(WHY).collect();
            headers.insert(REFUSED, why.as_str());
        }
    }
    say(conn, &reply, headers, bytes.into()).await?;
    // One after another: what is asked for faster than it is sent waits as a question.
    let sent = conn.client.flush().await;
    sent.map_err(|e| Fault::Lost(fault(&chain(&e))))
}

enum Answer {
    /// How many bytes the whole has, and those that were asked for.
    Part(u64, Vec<u8>),
    /// Not yet, or nothing was asked.
    Nothing,
    Gone,
    Refused(String),
}

async fn respond(inner: &Inner, handed: &mut Option<Handed>, question: Question) -> Answer {
    let unused = Instant::now() + UNUSED;
    match question {
        Question::Copy { asker } => {
            let begin = || Handed::begin(asker.clone(), inner.copy.path(), unused);
            let one = handed.get_or_insert_with(begin);
            if one.asker != asker {
                return Answer::Refused("another node is being given a copy".into());
            }
            one.unused = unused;
            match one.size().await {
                Ok(Some(size)) => Answer::Part(size, Vec::new()),
                Ok(None) => Answer::Nothing,
                Err(why) => {
                    *handed = None;
                    Answer::Refused(why)
                }
            }
        }
        Question::Part { asker, payload, at } => {
            let Some(one) = handed.as_mut().filter(|h| h.asker == asker) else {
                return Answer::Refused("there is no copy any more".into());
            };
            one.unused = unused;
            let part = match (&one.copy, payload) {
                (Copy::Made(file), None) => read(file, at),
                (Copy::Made(_), Some(name)) if embedded::is_payload(&name) => {
                    let file = File::open(embedded::payloads(&one.file.0).join(&name));
                    file.and_then(|f| read(&f, at))
                }
                _ => return Answer::Refused("there is no such thing".into()),
            };
            match part {
                Ok((size, part)) => Answer::Part(size, part),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Answer::Gone,
                Err(e) => Answer::Refused(e.to_string()),
            }
        }
        Question::Thanks { asker } => {
            handed.take_if(|h| h.asker == asker && !h.is_being_made());
            Answer::Nothing
        }
    }
}

fn read(file: &File, at: u64) -> io::Result<(u64, Vec<u8>)> {
    let size = file.metadata()?.len();
    let left = size.saturating_sub(at).min(PART as u64) as usize;
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
    fn what_is_not_needed_any_more_is_removed_and_what_others_left_too() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("events.db");
        fs::write(&db, "").unwrap();
        let one = Temporary::beside(&db, "handed");
        let other = Temporary::beside(&db, "handed");
        assert_ne!(one.0, other.0);
        for t in [&one, &other] {
            fs::write(&t.0, "").unwrap();
            fs::create_dir(embedded::payloads(&t.0)).unwrap();
        }
        let left = dir.path().join("events.db.handed-0-7");
        fs::write(&left, "").unwrap();
        Temporary::sweep(&db, "handed");
        assert!(!left.exists() && one.0.exists());
        drop((one, other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn parts_end_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let size = PART as u64 + 7;
        fs::write(&path, vec![1; size as usize]).unwrap();
        let file = File::open(&path).unwrap();
        let part = |at| read(&file, at).unwrap();
        assert_eq!(part(0), (size, vec![1; PART]));
        assert_eq!(part(PART as u64), (size, vec![1; 7]));
        assert_eq!(part(size), (size, Vec::new()));
        assert_eq!(part(u64::MAX), (size, Vec::new()));
    }
}
