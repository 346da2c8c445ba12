//! A parsed head: offsets into its bytes, so that it can be kept apart from them, and views that join both.

use crate::framing::Framing;
use crate::limits::MAX_HEADERS;
use crate::name::{Kind, KindSet};
use std::ops::Deref;

/// A stretch of the head's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }
    /// The bytes of the span; empty when `bytes` is not the head that it was made for.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// One header line. It ends where the next one starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Where the name starts.
    pub start: u32,
    pub name_len: u16,
    pub kind: Kind,
    /// Not passed on: hop by hop, named by Connection, or dropped by policy.
    pub hop: bool,
    /// Without the white space around it.
    pub value: Span,
}

impl Line {
    pub fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Span {
            start: self.start,
            end: self.start + self.name_len as u32,
        }
        .of(bytes)
    }
}

/// Room for the lines of one head; reuse it for the next one.
#[derive(Clone, Debug)]
pub struct Lines {
    pub(crate) all: [Line; MAX_HEADERS],
    pub(crate) len: usize,
}

impl Default for Lines {
    fn default() -> Self {
        const NONE: Line = Line {
            start: 0,
            name_len: 0,
            kind: Kind::Other,
            hop: false,
            value: Span { start: 0, end: 0 },
        };
        Lines {
            all: [NONE; MAX_HEADERS],
            len: 0,
        }
    }
}

impl Lines {
    pub fn as_slice(&self) -> &[Line] {
        &self.all[..self.len]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Connect,
    Trace,
    Other,
}

impl Method {
    pub fn from_bytes(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"PATCH" => Method::Patch,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }
    /// Reads only (RFC 9110 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Trace
        )
    }
    /// Doing it twice is doing it once (RFC 9110 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }
}

/// The four forms of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`; it is passed on in origin form.
    Absolute,
    /// `host:port`, only with CONNECT.
    Authority,
    /// `*`, only with OPTIONS.
    Asterisk,
}

/// What is known of a request apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMeta {
    /// Bytes of the head, the empty line included: the body starts here.
    pub len: usize,
    pub version: Version,
    pub method: Method,
    pub form: Form,
    /// Whether the client wants the connection to stay open.
    pub keep_alive: bool,
    /// Never `UntilClose`.
    pub framing: Framing,
    pub expect_continue: bool,
    pub(crate) kinds: KindSet,
    pub(crate) method_span: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) host: Option<Span>,
    pub(crate) upgrade: Option<Span>,
    /// Where the start line begins and ends (its line end included).
    pub(crate) first: Span,
}

/// A request head joined with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    pub meta: RequestMeta,
    pub fields: Fields<'a>,
}

impl RequestMeta {
    /// Joins it again with bytes and lines that were kept; they must be those that it was parsed with.
    pub fn attach<'a>(self, bytes: &'a [u8], lines: &'a [Line]) -> RequestHead<'a> {
        RequestHead {
            fields: Fields::new(bytes, lines, self.len, self.kinds),
            meta: self,
        }
    }
}

impl<'a> RequestHead<'a> {
    pub fn method_name(&self) -> &'a [u8] {
        self.meta.method_span.of(self.fields.bytes)
    }
    /// As it was sent.
    pub fn target(&self) -> &'a [u8] {
        self.meta.target.of(self.fields.bytes)
    }
    /// Path and query in origin form (`*` of an asterisk target, empty for CONNECT).
    pub fn path_and_query(&self) -> &'a [u8] {
        let path = self.meta.path.of(self.fields.bytes);
        match (path, self.meta.form) {
            (b"", Form::Absolute) if self.meta.method == Method::Options => b"*",
            (b"", Form::Absolute) => b"/",
            _ => path,
        }
    }
    /// Without the query.
    pub fn path(&self) -> &'a [u8] {
        let path = self.path_and_query();
        path.split(|&b| b == b'?').next().unwrap_or(path)
    }
    /// Host header, or the authority of an absolute target in HTTP/1.0; with its port.
    pub fn host(&self) -> Option<&'a [u8]> {
        self.meta.host.map(|s| s.of(self.fields.bytes))
    }
    /// The protocol that the client wants to change to. Only in HTTP/1.1 requests without a body, and
    /// never `h2c`, which would hide the requests that follow.
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        self.meta.upgrade.map(|s| s.of(self.fields.bytes))
    }
}

impl Deref for RequestHead<'_> {
    type Target = RequestMeta;
    fn deref(&self) -> &RequestMeta {
        &self.meta
    }
}

/// What is known of a response apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseMeta {
    /// Bytes of the head, the empty line included.
    pub len: usize,
    pub version: Version,
    pub status: u16,
    /// Whether the connection can carry another exchange once the body has ended.
    pub keep_alive: bool,
    pub framing: Framing,
    pub(crate) kinds: KindSet,
    pub(crate) reason: Span,
    pub(crate) upgrade: Option<Span>,
    pub(crate) first: Span,
}

impl ResponseMeta {
    /// 1xx except 101: the final head is still to come.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
    pub fn attach<'a>(self, bytes: &'a [u8], lines: &'a [Line]) -> ResponseHead<'a> {
        ResponseHead {
            fields: Fields::new(bytes, lines, self.len, self.kinds),
            meta: self,
        }
    }
}

/// A response head joined with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    pub meta: ResponseMeta,
    pub fields: Fields<'a>,
}

impl<'a> ResponseHead<'a> {
    pub fn reason(&self) -> &'a [u8] {
        self.meta.reason.of(self.fields.bytes)
    }
    /// The protocol that a 101 changes to.
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        self.meta.upgrade.map(|s| s.of(self.fields.bytes))
    }
}

impl Deref for ResponseHead<'_> {
    type Target = ResponseMeta;
    fn deref(&self) -> &ResponseMeta {
        &self.meta
    }
}

/// The header lines of a head.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The head's bytes, the empty line included.
    pub bytes: &'a [u8],
    pub lines: &'a [Line],
    /// Of all lines.
    pub kinds: KindSet,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        bytes: &'a [u8],
        lines: &'a [Line],
        len: usize,
        kinds: KindSet,
    ) -> Fields<'a> {
        Fields {
            bytes: bytes.get(..len).unwrap_or(bytes),
            lines,
            kinds,
        }
    }
    /// Value of the first line of this kind.
    #[inline]
    pub fn get(&self, kind: Kind) -> Option<&'a [u8]> {
        self.all(kind).next()
    }
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        let lines = match self.has(kind) {
            true => self.lines,
            false => &[],
        };
        lines
            .iter()
            .filter(move |l| l.kind == kind)
            .map(move |l| l.value.of(bytes))
    }
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.has(kind)
    }
    /// Value of the first line of this name, in any case.
    pub fn named(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .find(|(n, _, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v, _)| v)
    }
    /// Name, value and line of every header.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8], &'a Line)> + use<'a> {
        let bytes = self.bytes;
        self.lines
            .iter()
            .map(move |l| (l.name(bytes), l.value.of(bytes), l))
    }
}
