//! One connection and the thread that owns it: takes what waits, sends it as one pipeline, and hands the answers out.
//! Without a connection everything fails at once, and another one is tried for again and again.

use super::script::{self, Script};
use super::{Answer, Options, Said};
use crate::Error;
use crate::ack::{Ack, pair};
use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionLike, IntoConnectionInfo, TlsCertificates,
    Value,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Longest wait for an answer, and for a connection.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);
/// A connection that is not used is tried this often.
const QUIET: Duration = Duration::from_secs(1);
/// Calls that wait at once; beyond, `Error::Busy`.
const QUEUE: usize = 4096;
/// Most calls, and most bytes, in one pipeline.
const GROUP: usize = 128;
const GROUP_BYTES: usize = 4 << 20;

/// Where to connect to. Does not print: it holds a password.
#[derive(Clone)]
pub struct Target {
    client: Client,
    place: String,
}

impl Target {
    pub fn new(options: &Options) -> Result<Target, Error> {
        // Not with the URL, nor with what the library says of it: it holds a password.
        let bad = || {
            Error::Invalid("the URL of the redis engine cannot be read: write redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS".into())
        };
        let info = options
            .url
            .trim()
            .into_connection_info()
            .map_err(|_| bad())?;
        let (place, encrypted) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (format!("{host}:{port}"), false),
            ConnectionAddr::TcpTls { host, port, .. } => (format!("{host}:{port}"), true),
            ConnectionAddr::Unix(path) => (path.display().to_string(), false),
            _ => return Err(bad()),
        };
        let client = match (&options.ca, encrypted) {
            (Some(ca), true) => {
                let wrong = |why: String| Error::Io {
                    path: ca.display().to_string(),
                    why: format!("the CA file of the redis engine cannot be used: {why}"),
                };
                let root_cert = std::fs::read(ca).map_err(|e| wrong(e.to_string()))?;
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(root_cert),
                };
                Client::build_with_tls(info, certificates).map_err(|e| wrong(e.to_string()))?
            }
            _ => Client::open(info).map_err(|_| bad())?,
        };
        Ok(Target { client, place })
    }
}

/// What is asked, and who is told.
struct Ask {
    /// `None`: the words are a command of their own.
    script: Option<Script>,
    /// Those of `words` that are keys come first.
    keys: usize,
    words: Vec<Vec<u8>>,
    tell: Box<dyn FnOnce(Said) + Send>,
}

impl Ask {
    fn bytes(&self) -> usize {
        self.words.iter().map(Vec::len).sum()
    }
}

#[derive(Default)]
struct State {
    /// Why there is no connection.
    away: Option<String>,
    /// Why it does not take what is written.
    refuses: Option<String>,
}

/// What the thread and those who ask share.
struct Shared {
    target: Target,
    state: Mutex<State>,
    failed: AtomicU64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn away(&self) -> Option<Error> {
        let why = self.state().away.clone()?;
        Some(Error::Away {
            engine: format!("redis at {}", self.target.place),
            why,
        })
    }

    fn fail(&self, ask: Ask, e: Error) {
        self.failed.fetch_add(1, Relaxed);
        (ask.tell)(Err(e));
    }
}

/// Dropped, it ends when its present call has.
pub struct Link {
    asks: SyncSender<Ask>,
    shared: Arc<Shared>,
}

impl Link {
    pub fn start(name: &str, target: Target) -> Result<Link, Error> {
        let (asks, waiting) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            target,
            state: Mutex::default(),
            failed: AtomicU64::new(0),
        });
        let theirs = shared.clone();
        let run = move || run(&theirs, &waiting);
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        thread.map_err(|e| Error::Io {
            path: name.into(),
            why: format!("no thread: {e}"),
        })?;
        Ok(Link { asks, shared })
    }

    pub fn place(&self) -> &str {
        &self.shared.target.place
    }

    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Relaxed)
    }

    pub fn wrong(&self) -> Option<String> {
        let state = self.shared.state();
        state.away.clone().or_else(|| state.refuses.clone())
    }

    pub fn command(&self, words: &[&str]) -> Ack<Answer> {
        let words = words.iter().map(|w| w.as_bytes().to_vec()).collect();
        self.ask(None, 0, words, Ok)
    }

    pub fn run<T: Send + 'static>(
        &self,
        script: Script,
        keys: &[String],
        arguments: Vec<Vec<u8>>,
        read: impl FnOnce(Answer) -> Result<T, Error> + Send + 'static,
    ) -> Ack<T> {
        let keys_and_all = keys.iter().map(|k| k.clone().into_bytes()).chain(arguments);
        self.ask(Some(script), keys.len(), keys_and_all.collect(), read)
    }

    pub fn ask<T: Send + 'static>(
        &self,
        script: Option<Script>,
        keys: usize,
        words: Vec<Vec<u8>>,
        read: impl FnOnce(Answer) -> Result<T, Error> + Send + 'static,
    ) -> Ack<T> {
        let (reply, ack) = pair();
        let tell = Box::new(move |said: Said| reply.send(said.and_then(read)));
        let ask = Ask {
            script,
            keys,
            words,
            tell,
        };
        match self.shared.away() {
            Some(away) => self.shared.fail(ask, away),
            None => match self.asks.try_send(ask) {
                Ok(()) => {}
                Err(TrySendError::Full(ask) | TrySendError::Disconnected(ask)) => {
                    self.shared.fail(ask, Error::Busy);
                }
            },
        }
        ack
    }
}

/// Connects, and works until the link is dropped.
fn run(shared: &Shared, asks: &Receiver<Ask>) {
    let mut open: Option<Open> = None;
    loop {
        let connection = match &mut open {
            Some(connection) => connection,
            None => match Open::connect(&shared.target) {
                Ok(connection) => {
                    shared.state().away = None;
                    open.insert(connection)
                }
                Err(why) => {
                    shared.state().away = Some(why);
                    if refuse_for(AGAIN, shared, asks).is_err() {
                        return;
                    }
                    continue;
                }
            },
        };
        let worked = match asks.recv_timeout(QUIET) {
            Ok(first) => connection.work(gather(first, asks), shared),
            Err(RecvTimeoutError::Timeout) => connection.ping(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Err(why) = worked {
            shared.state().away = Some(why);
            open = None;
        }
    }
}

/// What waits, up to a group.
fn gather(first: Ask, asks: &Receiver<Ask>) -> Vec<Ask> {
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while group.len() < GROUP && bytes < GROUP_BYTES {
        let Ok(next) = asks.try_recv() else { break };
        bytes += next.bytes();
        group.push(next);
    }
    group
}

/// Tells whoever asks that it is away. An error: nobody can ask any more.
fn refuse_for(time: Duration, shared: &Shared, asks: &Receiver<Ask>) -> Result<(), ()> {
    let until = Instant::now() + time;
    loop {
        match asks.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(ask) => {
                let away = shared.away().unwrap_or(Error::Busy);
                shared.fail(ask, away);
            }
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Err(()),
        }
    }
}

/// A connection that knows the scripts.
struct Open {
    connection: Connection,
    hashes: Vec<Vec<u8>>,
}

impl Open {
    fn connect(target: &Target) -> Result<Open, String> {
        let connected = target.client.get_connection_with_timeout(PATIENCE);
        let connection = connected.map_err(|e| fault(&e))?;
        let set = connection.set_read_timeout(Some(PATIENCE));
        set.and_then(|()| connection.set_write_timeout(Some(PATIENCE)))
            .map_err(|e| fault(&e))?;
        let mut open = Open {
            connection,
            hashes: Vec::new(),
        };
        open.load()?;
        Ok(open)
    }

    /// Gives it the scripts; it may have been told to forget them.
    fn load(&mut self) -> Result<(), String> {
        self.hashes.clear();
        for (_, text) in script::ALL {
            let load = redis::cmd("SCRIPT").arg("LOAD").arg(text).to_owned();
            let answer = self.connection.req_command(&load).map_err(|e| fault(&e))?;
            let hash = Answer(answer).bytes().ok_or("it knows no scripts")?;
            self.hashes.push(hash);
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<(), String> {
        let answer = self.connection.req_command(&redis::cmd("PING"));
        answer.map(drop).map_err(|e| fault(&e))
    }

    fn pack(&self, ask: &Ask) -> Cmd {
        let mut cmd = Cmd::new();
        if let Some(script) = ask.script {
            let at = script::ALL.iter().position(|(s, _)| *s == script);
            cmd.arg("EVALSHA");
            cmd.arg(at.and_then(|at| self.hashes.get(at)).map_or(&[][..], |h| h));
            cmd.arg(ask.keys);
        }
        for word in &ask.words {
            cmd.arg(word.as_slice());
        }
        cmd
    }

    fn send(&mut self, group: &[Ask]) -> Result<Vec<Value>, String> {
        let mut packed = Vec::new();
        for ask in group {
            packed.extend(self.pack(ask).get_packed_command());
        }
        let answers = self.connection.req_packed_commands(&packed, 0, group.len());
        let answers = answers.map_err(|e| fault(&e))?;
        match answers.len() == group.len() {
            true => Ok(answers),
            false => Err("it answers something else than it was asked".into()),
        }
    }

    /// An error: the connection is of no more use, and everybody has been told.
    fn work(&mut self, mut group: Vec<Ask>, shared: &Shared) -> Result<(), String> {
        for is_last in [false, true] {
            let sent = match (is_last, self.send(&group)) {
                (_, Ok(answers)) => Ok(answers),
                (_, Err(why)) => Err(why),
            };
            let answers = match sent {
                Ok(answers) => answers,
                Err(why) => {
                    shared.state().away = Some(why.clone());
                    for ask in group {
                        let away = shared.away().unwrap_or(Error::Busy);
                        shared.fail(ask, away);
                    }
                    return Err(why);
                }
            };
            let mut again = Vec::new();
            for (ask, answer) in group.into_iter().zip(answers) {
                match refusal(&answer) {
                    None => {
                        if ask.script.is_some_and(Script::writes) {
                            shared.state().refuses = None;
                        }
                        (ask.tell)(Ok(Answer(answer)));
                    }
                    Some(why) if why.starts_with("NOSCRIPT") && !is_last => again.push(ask),
                    Some(why) => {
                        let why = advised(&why);
                        if ask.script.is_some() {
                            shared.state().refuses = Some(why.clone());
                        }
                        let engine = format!("redis at {}", shared.target.place);
                        shared.fail(ask, Error::Refused { engine, why });
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            group = again;
            // When this fails the next call says so.
            let _ = self.load();
        }
        Ok(())
    }
}

/// What the server says instead of an answer.
fn refusal(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(e) => {
            let details = e.details().unwrap_or_default();
            Some(format!("{} {details}", e.code()))
        }
        _ => None,
    }
}

/// With what to do about it.
fn advised(why: &str) -> String {
    let advice = match why.split(' ').next().unwrap_or_default() {
        "OOM" => "its memory is full: raise maxmemory, or keep less",
        "NOAUTH" | "WRONGPASS" => {
            "correct the URL in the variable or file that `engines.shared` names"
        }
        "NOPERM" => "allow its user the commands and keys of docs/engines.md (ACL SETUSER)",
        "READONLY" => "it is a replica: name the primary",
        "MISCONF" => "it cannot write to its disk, and so takes nothing: see its log",
        "LOADING" => "it reads its data after a start",
        "CROSSSLOT" | "MOVED" => {
            "it is a cluster, which is not supported: name a single server or a primary"
        }
        _ => return format!("it says: {why}"),
    };
    format!("it says: {}; {advice}", why.trim_end())
}

/// What is wrong with the connection.
fn fault(e: &redis::RedisError) -> String {
    if e.is_timeout() {
        let s = PATIENCE.as_secs();
        return format!(
            "no answer within {s} s: a long command holds its thread, or it is stalled or unreachable"
        );
    }
    let said = e.to_string();
    let advice = match said.as_str() {
        s if s.contains("UnknownIssuer") => {
            "whoever signed its certificate is not trusted: name the CA's file with `engines.ca`"
        }
        s if s.contains("NotValidForName") || s.contains("not valid for name") => {
            "its certificate is for another name: use that name in the URL"
        }
        s if s.contains("xpired") => "renew its certificate",
        s if s.contains("WRONGPASS") || s.contains("NOAUTH") || s.contains("uthentication") => {
            "correct the URL in the variable or file that `engines.shared` names"
        }
        s if s.contains("LOADING") => "it reads its data after a start",
        s if s.contains("refused") => "is it running, and the URL right?",
        _ => return said,
    };
    format!("{said}; {advice}")
}
