//! A connection that is given up at its first fault, and JetStream's requests over it.

use super::Options;
use super::bucket::{self, Bucket};
use super::link::PATIENCE;
use crate::Error;
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind, ServerAddr,
};
use base::escape::decoded;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The oldest version whose requests are used: values with a lifetime, and reads of many at once.
const OLDEST: [u32; 2] = [2, 11];
/// The library never connects again by itself: see `link`.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// What a message may carry beside its value, bytes.
pub const HEADERS: usize = 1024;
/// Most values, and most of their bytes, in one answer to a read of many.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 2 << 20;

/// JetStream's numbers of what it refuses.
const NO_MESSAGE: u64 = 10_037;
pub const NO_STREAM: u64 = 10_059;
const OTHER_STREAM: u64 = 10_058;
const BEHIND: u64 = 10_071;
/// The same, of a change that is still on its way through a cluster.
const BEHIND_IN_FLIGHT: u64 = 10_164;

/// Headers of our messages.
pub const EXPIRES: &str = "Plimsoll-Expires";
pub const TOKEN: &str = "Plimsoll-Token";
pub const TTL: &str = "Plimsoll-TTL";
/// Headers that others know: what is deleted is a message that says so, and the server lets messages go after their time.
const OPERATION: &str = "KV-Operation";
const LIFETIME: &str = "Nats-TTL";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// Why something was not done, or why that is not known.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing is known: the connection is of no more use.
    Lost(String),
    /// The server says no, and why with what to do about it.
    Said {
        code: u64,
        why: String,
    },
    Own(Error),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        Fault::Own(e)
    }
}

/// Where to connect to. Does not print: it holds a password.
#[derive(Clone)]
pub struct Target {
    servers: Vec<ServerAddr>,
    place: String,
    login: Login,
    encrypted: bool,
    ca: Option<PathBuf>,
    /// What is made where it is not there; none for whoever only looks.
    pub buckets: Vec<Bucket>,
}

#[derive(Clone)]
enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

impl Target {
    pub fn new(options: &Options) -> Result<Target, Error> {
        // Not with the URL, nor with what a library says of it: it holds a password.
        let bad = || {
            Error::Invalid("the URL of the nats engine cannot be read: write nats://USER:PASSWORD@HOST:PORT (or nats://TOKEN@HOST:PORT), tls:// for TLS, several with commas".into())
        };
        if options.prefix.contains('.') {
            return Err(Error::Invalid(
                "with a nats engine `engines.prefix` has no dot: it is part of a stream's name"
                    .into(),
            ));
        }
        let mut target = Target {
            servers: Vec::new(),
            place: String::new(),
            login: Login::Nobody,
            encrypted: false,
            ca: options.ca.clone(),
            buckets: bucket::of(options).into(),
        };
        for text in options.url.trim().split(',') {
            let (scheme, rest) = text.trim().split_once("://").ok_or_else(bad)?;
            target.encrypted |= match scheme {
                "nats" => false,
                "tls" => true,
                _ => return Err(bad()),
            };
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (login, host) = match rest.rsplit_once('@') {
                Some((login, host)) => (Some(login), host),
                None => (None, rest),
            };
            if let (Some(login), Login::Nobody) = (login, &target.login) {
                target.login = match login.split_once(':') {
                    Some((user, password)) => Login::User(
                        decoded(user).map_err(|_| bad())?,
                        decoded(password).map_err(|_| bad())?,
                    ),
                    None => Login::Token(decoded(login).map_err(|_| bad())?),
                };
            }
            let address: ServerAddr = format!("{scheme}://{host}").parse().map_err(|_| bad())?;
            if host.is_empty() || host.contains(['/', '?', '#']) {
                return Err(bad());
            }
            if !target.place.is_empty() {
                target.place.push_str(", ");
            }
            target.place += &format!("{}:{}", address.host(), address.port());
            target.servers.push(address);
        }
        if let Some(ca) = &options.ca {
            let wrong = |why: String| Error::Io {
                path: ca.display().to_string(),
                why: format!("the CA file of the nats engine cannot be used: {why}"),
            };
            let text = std::fs::read(ca).map_err(|e| wrong(e.to_string()))?;
            if !text.windows(10).any(|w| w == b"-----BEGIN") {
                return Err(wrong("it holds no certificate in PEM".into()));
            }
        }
        Ok(target)
    }

    pub fn place(&self) -> &str {
        &self.place
    }
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub subject: String,
    pub seq: u64,
    /// When it was stored, by the server's clock, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// It says that what was there is deleted.
    pub is_gone: bool,
    pub expires_ms: Option<u64>,
    pub token: Option<u64>,
    pub ttl_ms: Option<u64>,
    pub value: Vec<u8>,
}

/// What is to be stored.
#[derive(Default)]
pub struct Draft {
    pub headers: Vec<(&'static str, String)>,
    pub value: Vec<u8>,
    /// Until the server lets it go.
    pub lifetime: Option<Duration>,
    /// What the last message under this subject must be; 0: there is none.
    pub expected: Option<u64>,
}

impl Draft {
    /// In place of what was there.
    pub fn gone(lifetime: Duration) -> Draft {
        Draft {
            headers: vec![(OPERATION, "DEL".into())],
            lifetime: Some(lifetime),
            ..Draft::default()
        }
    }
}

/// Messages of one read of many, and how many more match.
pub struct Page {
    pub found: Vec<Found>,
    pub more: u64,
}

#[derive(Clone)]
pub struct Conn {
    client: Client,
    broken: Arc<watch::Sender<Option<String>>>,
    /// Largest message that the server takes, bytes.
    pub max_payload: usize,
    pub version: String,
    pub server: String,
}

impl Conn {
    /// Connects, and makes the buckets where they are not.
    pub async fn open(target: &Target) -> Result<Conn, String> {
        let (broken, _) = watch::channel(None);
        let broken = Arc::new(broken);
        let options = options(target, &broken);
        let is_open = Arc::new(AtomicBool::new(false));
        let asked = is_open.clone();
        let options = options.reconnect_delay_callback(move |_| match asked.load(Relaxed) {
            true => NEVER,
            false => Duration::ZERO,
        });
        let connected = timeout(PATIENCE, options.connect(target.servers.clone())).await;
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(e)) => return Err(fault(&chain(&e))),
            Err(_) => return Err(unreachable()),
        };
        is_open.store(true, Relaxed);
        let info = client.server_info();
        let mut numbers = info.version.split('.').map(|n| n.parse().unwrap_or(0));
        let version = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
        if version < OLDEST {
            return Err(format!(
                "nats-server {} is too old: 2.11 or later is needed",
                info.version
            ));
        }
        let conn = Conn {
            client,
            broken,
            max_payload: info.max_payload,
            version: info.version,
            server: info.server_name,
        };
        let ensured = async {
            for bucket in &target.buckets {
                conn.ensure(bucket).await?;
            }
            Ok(())
        };
        match timeout(2 * PATIENCE, ensured).await {
            Ok(Ok(())) => {}
            Ok(Err(Fault::Lost(why) | Fault::Said { why, .. })) => return Err(why),
            Ok(Err(Fault::Own(e))) => return Err(e.to_string()),
            Err(_) => return Err(unreachable()),
        }
        Ok(conn)
    }

    /// Nothing more is done over it.
    pub fn give_up(&self, why: &str) {
        self.broken.send_if_modified(|w| {
            let first = w.is_none();
            if first {
                *w = Some(why.to_owned());
            }
            first
        });
    }

    /// Waits until it is of no more use; why.
    pub async fn broken(&self) -> String {
        let mut broken = self.broken.subscribe();
        let why = broken.wait_for(Option::is_some).await;
        why.ok().and_then(|w| w.clone()).unwrap_or_default()
    }

    pub fn slow(&self) -> String {
        unreachable()
    }

    async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Vec<u8>,
    ) -> Result<Message, Fault> {
        // Whose turn comes between the fault and the end of the connection would still be sent, and nobody waits for it.
        if let Some(why) = self.broken.borrow().clone() {
            return Err(Fault::Lost(why));
        }
        let mut request = Request::new()
            .payload(Bytes::from(payload))
            .timeout(Some(PATIENCE));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let asked = self.client.send_request(subject, request).await;
        asked.map_err(|e| match e.kind() {
            RequestErrorKind::TimedOut => Fault::Lost(unreachable()),
            RequestErrorKind::NoResponders => Fault::Lost(
                "JetStream does not answer there: it is not enabled (`jetstream {}` in its config, or -js), not for this account, or has no leader now".into(),
            ),
            _ => Fault::Lost(fault(&chain(&e))),
        })
    }

    /// One of JetStream's own requests.
    async fn api(&self, what: &str, ask: Value) -> Result<Value, Fault> {
        let payload = match ask {
            Value::Null => Vec::new(),
            ask => ask.to_string().into_bytes(),
        };
        let answer = self
            .request(format!("$JS.API.{what}"), None, payload)
            .await?;
        said(&answer.payload)
    }

    /// What it says of JetStream and the account.
    pub async fn account(&self) -> Result<Value, Fault> {
        self.api("INFO", Value::Null).await
    }

    pub async fn is_there(&self) -> Result<(), Fault> {
        self.account().await.map(drop)
    }

    /// What it says of a stream.
    pub async fn stream(&self, stream: &str) -> Result<Value, Fault> {
        self.api(&format!("STREAM.INFO.{stream}"), Value::Null)
            .await
    }

    async fn ensure(&self, bucket: &Bucket) -> Result<(), Fault> {
        let stream = bucket.stream();
        let info = match self.stream(&stream).await {
            Err(Fault::Said {
                code: NO_STREAM, ..
            }) => {
                let made = self
                    .api(&format!("STREAM.CREATE.{stream}"), bucket.config())
                    .await;
                match made {
                    // Another node was quicker.
                    Err(Fault::Said {
                        code: OTHER_STREAM, ..
                    }) => self.stream(&stream).await?,
                    made => made?,
                }
            }
            info => info?,
        };
        match bucket::unfit(&info["config"]) {
            None => Ok(()),
            Some(lacks) => Err(Fault::Own(Error::Invalid(format!(
                "the stream {stream} was not made by Plimsoll and lacks {lacks}: set that (`nats stream edit`), or remove it"
            )))),
        }
    }

    /// Stores a message; its number. `None`: the last message under this subject is another one than expected.
    pub async fn publish(&self, subject: String, message: Draft) -> Result<Option<u64>, Fault> {
        let most = self.max_payload.saturating_sub(HEADERS);
        if message.value.len() > most {
            return Err(Fault::Own(Error::TooLarge {
                what: "a value (nats-server takes more with a larger `max_payload`)".into(),
                size: message.value.len(),
                limit: most,
            }));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in message.headers {
            headers.insert(name, value.as_str());
        }
        if let Some(lifetime) = message.lifetime {
            let seconds = lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0);
            headers.insert(LIFETIME, format!("{}s", seconds.max(1)).as_str());
        }
        if let Some(seq) = message.expected {
            headers.insert(EXPECTED, seq.to_string().as_str());
        }
        let answer = self.request(subject, Some(headers), message.value).await?;
        match said(&answer.payload) {
            Ok(answer) => Ok(Some(answer["seq"].as_u64().ok_or_else(odd)?)),
            Err(Fault::Said {
                code: BEHIND | BEHIND_IN_FLIGHT,
                ..
            }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The last message under a subject, as the stream's leader knows it.
    pub async fn last(&self, stream: &str, subject: &str) -> Result<Option<Found>, Fault> {
        let asked = json!({ "last_by_subj": subject });
        let answer = match self.api(&format!("STREAM.MSG.GET.{stream}"), asked).await {
            Err(Fault::Said {
                code: NO_MESSAGE, ..
            }) => return Ok(None),
            answer => answer?,
        };
        read(&answer["message"]).map(Some).ok_or_else(odd)
    }

    /// Messages of a stream from a number on, in order.
    pub async fn page(&self, stream: &str, filter: &str, from: u64) -> Result<Page, Fault> {
        let lost = |e: &dyn std::error::Error| Fault::Lost(fault(&chain(e)));
        let inbox = self.client.new_inbox();
        let subscribed = self.client.subscribe(inbox.clone()).await;
        let mut answers = subscribed.map_err(|e| lost(&e))?;
        let ask = json!({
            "seq": from.max(1), "next_by_subj": filter, "batch": PAGE, "max_bytes": PAGE_BYTES,
        });
        let asked = self.client.publish_with_reply(
            format!("$JS.API.DIRECT.GET.{stream}"),
            inbox,
            ask.to_string().into(),
        );
        asked.await.map_err(|e| lost(&e))?;
        let mut page = Page {
            found: Vec::new(),
            more: 0,
        };
        loop {
            let next = timeout(PATIENCE, answers.next()).await;
            let Some(message) = next.map_err(|_| Fault::Lost(unreachable()))? else {
                return Err(Fault::Lost("the connection broke".into()));
            };
            let pending = number(message.headers.as_ref(), "Nats-Num-Pending");
            match message.status.map(|s| s.as_u16()) {
                None | Some(200) => {
                    page.more = pending.unwrap_or(0);
                    page.found.push(direct(&message).ok_or_else(odd)?);
                }
                // The end of this page, or nothing matches.
                Some(204) => {
                    page.more = pending.unwrap_or(page.more);
                    return Ok(page);
                }
                Some(404) => {
                    page.more = 0;
                    return Ok(page);
                }
                Some(status) => {
                    let why = message.description.as_ref().map_or("", |d| d.as_str());
                    return Err(Fault::Lost(format!(
                        "it answers a read of many with {status} {why}"
                    )));
                }
            }
        }
    }

    /// Takes a message out, if it is still there.
    pub async fn remove(&self, stream: &str, seq: u64) -> Result<bool, Fault> {
        let ask = json!({ "seq": seq, "no_erase": true });
        match self.api(&format!("STREAM.MSG.DELETE.{stream}"), ask).await {
            Ok(answer) => Ok(answer["success"] == true),
            Err(Fault::Said { .. }) => Ok(false),
            Err(lost) => Err(lost),
        }
    }
}

fn options(target: &Target, broken: &Arc<watch::Sender<Option<String>>>) -> ConnectOptions {
    let mut options = ConnectOptions::new();
    options = match target.login.clone() {
        Login::Nobody => options,
        Login::Token(token) => options.token(token),
        Login::User(user, password) => options.user_and_password(user, password),
    };
    if let Some(ca) = &target.ca {
        options = options.add_root_certificates(ca.clone());
    }
    let broken = broken.clone();
    options
        .name("plimsoll")
        .require_tls(target.encrypted)
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ignore_discovered_servers()
        .event_callback(move |event| {
            let broken = broken.clone();
            let why = match event {
                Event::Disconnected | Event::Closed => Some("the connection broke".to_owned()),
                Event::LameDuckMode => Some("it is about to stop".to_owned()),
                Event::ServerError(e) => Some(fault(&e.to_string())),
                _ => None,
            };
            async move {
                if let Some(why) = why {
                    broken.send_if_modified(|w| {
                        let first = w.is_none();
                        if first {
                            *w = Some(why);
                        }
                        first
                    });
                }
            }
        })
}

fn unreachable() -> String {
    let s = PATIENCE.as_secs();
    format!("no answer within {s} s: it is stalled or unreachable, or its disk is")
}

fn odd() -> Fault {
    Fault::Lost(
        "it answers with something unexpected: is it a nats-server of 2.11 or later?".into(),
    )
}

/// An answer in JSON, or what it says is wrong.
fn said(payload: &[u8]) -> Result<Value, Fault> {
    let answer: Value = serde_json::from_slice(payload).map_err(|_| odd())?;
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer);
    }
    let code = error["err_code"].as_u64().unwrap_or(0);
    let why = error["description"].as_str().unwrap_or("an error");
    Err(Fault::Said {
        code,
        why: advised(code, why),
    })
}

/// With what to do about it.
fn advised(code: u64, why: &str) -> String {
    let advice = match code {
        10_002 | 10_023 | 10_028 | 10_047 => {
            "lower `engines.size`, or let JetStream have more (max_file_store, or the account's limits)"
        }
        10_077 if why.contains("maximum bytes") => {
            "the bucket is full: raise its max_bytes (`nats stream edit`), or keep less"
        }
        10_077 => "look at its disk and its log",
        10_054 => "raise max_msg_size of the stream",
        10_039 | 10_076 => "enable JetStream for this account",
        10_005 | 10_074 => "`engines.replicas` asks for more servers than there are",
        10_166 => {
            "the stream was not made by Plimsoll: allow messages with a TTL (allow_msg_ttl), or remove it"
        }
        _ => return format!("it says: {why}"),
    };
    format!("it says: {why}; {advice}")
}

/// What is wrong with the connection.
fn fault(said: &str) -> String {
    let lower = said.to_lowercase();
    let has = |what: &str| lower.contains(what);
    let advice = match () {
        () if has("unknownissuer") => {
            "whoever signed its certificate is not trusted: name the CA's file with `engines.ca`"
        }
        () if has("notvalidforname") || has("not valid for name") || has("hostname") => {
            "its certificate is for another name: use that name in the URL"
        }
        () if has("expired") => "renew its certificate",
        () if has("authorization") || has("authentication") => {
            "correct the URL in the variable or file that `engines.durable` names"
        }
        () if has("permissions violation") => "allow its user the subjects of docs/engines.md",
        () if has("refused") => "is it running, and the URL right?",
        () => return said.to_owned(),
    };
    format!("{said}; {advice}")
}

/// An error with its causes.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = e.source();
    }
    text
}

fn number(headers: Option<&HeaderMap>, name: &str) -> Option<u64> {
    headers?.get(name)?.as_str().parse().ok()
}

fn time_ms(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// A message as an answer to a read of many.
fn direct(message: &Message) -> Option<Found> {
    let headers = message.headers.as_ref();
    let text = |name: &str| headers?.get(name).map(|v| v.as_str());
    Some(Found {
        subject: text("Nats-Subject")?.to_owned(),
        seq: number(headers, "Nats-Sequence")?,
        at_ms: time_ms(text("Nats-Time-Stamp")?)?,
        is_gone: text(OPERATION).is_some(),
        expires_ms: number(headers, EXPIRES),
        token: number(headers, TOKEN),
        ttl_ms: number(headers, TTL),
        value: message.payload.to_vec(),
    })
}

/// A message as JetStream's own request answers it.
fn read(message: &Value) -> Option<Found> {
    let bytes = |name: &str| match message[name].as_str() {
        Some(text) => STANDARD.decode(text).ok(),
        None => Some(Vec::new()),
    };
    let lines = String::from_utf8(bytes("hdrs")?).ok()?;
    let text = |name: &str| {
        let line = lines
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let number = |name: &str| text(name).and_then(|t| t.parse().ok());
    Some(Found {
        subject: message["subject"].as_str()?.to_owned(),
        seq: message["seq"].as_u64()?,
        at_ms: time_ms(message["time"].as_str()?)?,
        is_gone: text(OPERATION).is_some(),
        expires_ms: number(EXPIRES),
        token: number(TOKEN),
        ttl_ms: number(TTL),
        value: bytes("data")?,
    })
}

/// The server's own time, as it says with what it says of a stream, milliseconds since the Unix epoch.
pub fn now_ms(info: &Value) -> Option<u64> {
    time_ms(info["ts"].as_str()?)
}
