//! What gates see of one client request: its head, the facts gathered so far, the edits that are applied when a
//! head is written, and the reply that a gate may give.

use crate::access::Notes;
use crate::attempt::fault::What;
use crate::hash::{mix, position};
pub use crate::head::{Head, ListHead, ResponseHead};
use crate::jobs::errand::Told;
use crate::replicas::Seen;
use crate::request::coalesce::Lead;
use crate::request::idempotency::Claim;
use crate::request::identity::Tenant;
use crate::retry::Failure;
use crate::tls::ClientCert;
use crate::upstream::Instance;
use base::{Arm, CacheState, InstanceIx, Nanos, Outcome, RouteIx};
use bytes::Bytes;
use config::sections::Criticality;
use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// Changes to a head, applied when it is written. At most `MAX_EDITS`; more are dropped.
#[derive(Debug, Default)]
pub struct Edits {
    bytes: Vec<u8>,
    list: Vec<(EditKind, Range<usize>, Range<usize>)>,
}

pub const MAX_EDITS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EditKind {
    Drop,
    Set,
    Append,
}

impl Edits {
    /// Leaves out every line of this name.
    pub fn drop(&mut self, name: &str) {
        self.push(EditKind::Drop, name, b"");
    }
    /// Leaves out every line of this name and appends one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.push(EditKind::Set, name, value);
    }
    /// Appends a line, whatever is there.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        self.push(EditKind::Append, name, value);
    }
    fn push(&mut self, kind: EditKind, name: &str, value: &[u8]) {
        if self.list.len() < MAX_EDITS {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(name.as_bytes());
            let middle = self.bytes.len();
            self.bytes.extend_from_slice(value);
            self.list
                .push((kind, start..middle, middle..self.bytes.len()));
        }
    }
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
    }
    /// Becomes the first `n` of `other`.
    pub fn copy(&mut self, other: &Edits, n: usize) {
        self.bytes.clone_from(&other.bytes);
        self.list.clone_from(&other.list);
        self.truncate(n);
    }
    /// Takes back all but the first `n`.
    pub fn truncate(&mut self, n: usize) {
        if let Some((_, name, _)) = self.list.get(n) {
            self.bytes.truncate(name.start);
            self.list.truncate(n);
        }
    }
    pub fn len(&self) -> usize {
        self.list.len()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// As the codec takes them, and how many they are; `N` is at least `MAX_EDITS`, and what is more is room.
    pub fn listed<const N: usize>(&self) -> ([http1::Edit<'_>; N], usize) {
        let mut list = [http1::Edit::Drop(b""); N];
        for (place, edit) in list.iter_mut().zip(self.iter()) {
            *place = edit;
        }
        (list, self.len())
    }
    pub fn iter(&self) -> impl Iterator<Item = http1::Edit<'_>> {
        self.list.iter().map(|(kind, name, value)| {
            let (name, value) = (&self.bytes[name.clone()], &self.bytes[value.clone()]);
            match kind {
                EditKind::Drop => http1::Edit::Drop(name),
                EditKind::Set => http1::Edit::Set(name, value),
                EditKind::Append => http1::Edit::Append(name, value),
            }
        })
    }
}

/// What is known of an exchange apart from its bytes. It lasts from the route match to the end of the exchange.
#[derive(Debug)]
pub struct Facts {
    pub route: RouteIx,
    pub arm: Arm,
    /// The route whose request caused this one.
    pub parent: RouteIx,
    pub client: IpAddr,
    /// It speaks TLS.
    pub secure: bool,
    /// What the client has shown, verified.
    pub certificate: Option<Arc<ClientCert>>,
    /// Hash of the user, where `identity` knows one.
    pub user: Option<u64>,
    /// Whose request it is, where `identity` knows.
    pub tenant: Option<Tenant>,
    /// How much the request matters, where `identity` knows it better than the route.
    pub criticality: Option<Criticality>,
    /// When the head had been read.
    pub start: Nanos,
    /// When the first byte of the response must be there; `None`: no limit.
    pub deadline: Option<Nanos>,
    /// Number of the attempt, from 1; 0 in the request ring.
    pub attempt: u8,
    /// Instances that were tried already, oldest first.
    pub tried: Vec<InstanceIx>,
    /// What its session has written and seen, where its route says how old what it shows may be.
    pub seen: Seen,
    /// The database that this attempt reads from, by its place, and whether that takes writes now.
    pub source: Option<(u8, bool)>,
    /// Chosen by `balance` for this attempt.
    pub instance: Option<Arc<Instance>>,
    /// How this attempt failed; `None`: not, or not yet.
    pub failure: Option<Failure>,
    /// This attempt is cancelled: another of the same request has answered.
    pub lost: bool,
    /// What shall go wrong with this attempt, on purpose.
    pub fault: Option<What>,
    pub cache: CacheState,
    /// The cache asks the instance whether what it holds is still good.
    pub conditional: bool,
    /// Others wait for what the cache stores of this exchange.
    pub flight: Option<Lead>,
    /// Time spent waiting for permits and connections inside Plimsoll, nanoseconds.
    pub waited_ns: u64,
    pub trace: u128,
    pub trace_flags: u8,
    /// The span that instances get, and the one that caused this exchange (0: none).
    pub span: u64,
    pub caller: u64,
    /// Status sent or received so far; 0: none.
    pub status: u16,
    /// When the response head came from the instance; `None`: not yet.
    pub first_byte: Option<Nanos>,
    /// The response body has passed to its very end.
    pub complete: bool,
    /// An upgrade or an event stream: deadlines do not apply, and its life is not a cost.
    pub stream: bool,
    /// Set by the cache to have the answer fetched once more behind the client's back (stale while revalidate).
    pub refresh_wanted: bool,
    /// This exchange is such a fetch: nobody waits for it.
    pub is_refresh: bool,
    /// It goes on when its client has gone: what comes of it is kept for who asks again.
    pub endures: bool,
    /// The key under which it becomes a job.
    pub claim: Option<Claim>,
    /// This exchange is the delivery of a job, which owns its retries.
    pub job: Option<Arc<Told>>,
    /// The request's body, for the gate that asked for it.
    pub held: Option<Vec<u8>>,
    /// Changes to the request head that goes to the instance.
    pub edits: Edits,
    /// For the access log and for traces; `None`: nobody asks.
    pub notes: Option<Box<Notes>>,
    /// State of the exchange's own random numbers.
    pub seed: u64,
}

impl Facts {
    pub fn new(route: RouteIx, client: IpAddr, start: Nanos, seed: u64) -> Facts {
        Facts {
            route,
            arm: Arm::BASE,
            parent: RouteIx::NONE,
            client,
            secure: false,
            certificate: None,
            user: None,
            tenant: None,
            criticality: None,
            start,
            deadline: None,
            attempt: 0,
            tried: Vec::new(),
            seen: Seen::default(),
            source: None,
            instance: None,
            failure: None,
            lost: false,
            fault: None,
            cache: CacheState::Off,
            conditional: false,
            flight: None,
            waited_ns: 0,
            trace: 0,
            trace_flags: 0,
            span: 0,
            caller: 0,
            status: 0,
            first_byte: None,
            complete: false,
            stream: false,
            refresh_wanted: false,
            is_refresh: false,
            endures: false,
            claim: None,
            job: None,
            held: None,
            edits: Edits::default(),
            notes: None,
            seed,
        }
    }

    /// The same as `new`, in place: buffers keep their memory.
    pub fn reset(&mut self, route: RouteIx, client: IpAddr, start: Nanos, seed: u64) {
        let (mut tried, mut edits) = (
            std::mem::take(&mut self.tried),
            std::mem::take(&mut self.edits),
        );
        tried.clear();
        edits.clear();
        *self = Facts {
            notes: self.notes.take(),
            tried,
            edits,
            ..Facts::new(route, client, start, seed)
        };
    }

    /// Those of a second attempt beside the first, with the first `edits` of its edits.
    pub fn second_to(&mut self, first: &Facts, edits: usize, seed: u64) {
        self.reset(first.route, first.client, first.start, seed);
        self.edits.copy(&first.edits, edits);
        self.tried.extend_from_slice(&first.tried);
        self.attempt = first.attempt.saturating_add(1);
        self.certificate.clone_from(&first.certificate);
        (self.arm, self.parent) = (first.arm, first.parent);
        (self.user, self.tenant) = (first.user, first.tenant);
        self.criticality = first.criticality;
        self.deadline = first.deadline;
        self.seen = first.seen;
        (self.cache, self.conditional) = (first.cache, first.conditional);
        (self.trace, self.trace_flags) = (first.trace, first.trace_flags);
        (self.span, self.caller) = (first.span, first.caller);
    }

    /// A gate did something out of the ordinary: for the access log, and for traces.
    pub fn note(&mut self, gate: &'static str, what: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.decision(gate, what, self.attempt);
        }
    }

    /// What a sample says of an end like this one: whoever ends a stream, its life is not a cost.
    pub fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Done | Outcome::ClientGone if self.stream => Outcome::Stream,
            outcome => outcome,
        }
    }

    /// The next random number of this exchange (splitmix64).
    pub fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.seed)
    }

    /// The same, uniform in 0 to 1.
    pub fn chance(&mut self) -> f64 {
        position(self.random())
    }
}

/// One client request as a gate sees it: its head and its facts.
pub struct Exchange<'a> {
    pub head: Head<'a>,
    pub facts: &'a mut Facts,
}

impl Deref for Exchange<'_> {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        self.facts
    }
}

impl DerefMut for Exchange<'_> {
    fn deref_mut(&mut self) -> &mut Facts {
        self.facts
    }
}

/// The response head on its way out, with the edits for it.
pub struct Outgoing<'a> {
    pub head: ResponseHead<'a>,
    pub edits: &'a mut Edits,
}

/// What would be sent, when nothing better is found.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// At least 500.
    pub status: u16,
    /// Of the reply that a gate or the path made; empty: an instance answered so.
    pub reason: &'a str,
}

/// An answer that a gate (or the path itself) gives instead of an instance.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Lines from the cache, and what is said of them: written as they are, each ends with CRLF.
    pub stored: Bytes,
    pub said: Vec<u8>,
    /// Without framing: Content-Length is written by the path.
    pub headers: Vec<(Cow<'static, str>, Bytes)>,
    pub body: Bytes,
    /// Sent as `plimsoll-reason`; empty: not sent (an answer from cache is no refusal).
    pub reason: &'static str,
}

impl Reply {
    pub fn new(status: u16, body: Bytes) -> Reply {
        Reply {
            status,
            stored: Bytes::new(),
            said: Vec::new(),
            headers: Vec::new(),
            body,
            reason: "",
        }
    }

    /// One from the cache, with its lines.
    pub fn stored(status: u16, lines: Bytes, body: Bytes) -> Reply {
        Reply {
            stored: lines,
            said: Vec::with_capacity(64),
            ..Reply::new(status, body)
        }
    }

    /// A refusal: `application/problem+json` with the stable code and one sentence that names what and where.
    pub fn problem(status: u16, reason: &'static str, detail: &str) -> Reply {
        let mut body = format!(
            "{{\"type\":\"urn:plimsoll:{reason}\",\"title\":\"{}\",\"status\":{status},\"detail\":\"",
            reason_phrase(status)
        );
        for c in detail.chars() {
            match c {
                '"' | '\\' => body.extend(['\\', c]),
                c if c.is_control() => body.push(' '),
                c => body.push(c),
            }
        }
        body.push_str("\"}\n");
        Reply {
            headers: vec![(
                "Content-Type".into(),
                Bytes::from_static(b"application/problem+json"),
            )],
            reason,
            ..Reply::new(status, body.into())
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<Bytes>) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The phrase of a status line; empty for a status that has none here.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_bounded_and_a_problem_is_valid_json() {
        let mut edits = Edits::default();
        for _ in 0..100 {
            edits.append("a", b"b");
        }
        assert_eq!(edits.len(), MAX_EDITS);
        let reply = Reply::problem(502, "upstream-reset", "a \"quoted\"\nthing");
        let text = std::str::from_utf8(&reply.body).unwrap();
        assert!(text.contains(r#""detail":"a \"quoted\" thing""#), "{text}");
    }
}
