//! Header lines as they are stored and sent: `Name: value`, each ended by CRLF.

use crate::control::{Fields, list};
use crate::date;
use bytes::Bytes;

/// Fields that belong to one connection, one answer, or the framing.
const NOT_STORED: [&str; 16] = [
    "age",
    "connection",
    "content-length",
    "keep-alive",
    "plimsoll-cache-control",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "server-timing",
    "te",
    "trailer",
    "transfer-encoding",
    "traceresponse",
    "upgrade",
    "warning",
];

/// Fields that describe the stored bytes: a 304 does not change them (RFC 9111 3.2).
const OF_THE_BYTES: [&str; 4] = ["content-encoding", "content-md5", "content-range", "etag"];

/// Stored lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Bytes);

/// A head whose fields can be walked.
pub trait Head: Fields {
    fn walk(&self, see: &mut dyn FnMut(&[u8], &[u8]));
}

impl Lines {
    /// The fields of a response that outlive its connection, without those that it wants withheld.
    pub fn end_to_end(head: &impl Head, withheld: &[Box<[u8]>]) -> Lines {
        let mut out = Vec::with_capacity(512);
        copy(&mut out, head, withheld, |_| true);
        Lines(out.into())
    }

    /// With what a 304 (or the answer to a HEAD) says anew.
    pub fn updated(&self, head: &impl Head, withheld: &[Box<[u8]>]) -> Lines {
        let of_bytes = |n: &[u8]| OF_THE_BYTES.iter().any(|o| is(n, o));
        let mut fresh = Vec::with_capacity(self.0.len());
        copy(&mut fresh, head, withheld, |n| !of_bytes(n));
        let fresh = Lines(fresh.into());
        let mut out = Vec::with_capacity(self.0.len() + fresh.0.len());
        for (name, value) in self.iter() {
            if !fresh.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                line(&mut out, name, value);
            }
        }
        out.extend_from_slice(&fresh.0);
        Lines(out.into())
    }

    /// With a `Date`, when there is none: `unix` is when it came (RFC 9110 6.6.1).
    pub fn dated(self, unix: u64) -> Lines {
        if self.get("date").is_some() {
            return self;
        }
        let mut out = self.0.to_vec();
        line(&mut out, b"Date", date::format(unix).as_bytes());
        Lines(out.into())
    }

    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.split(|&b| b == b'\n').filter_map(|line| {
            let colon = line.iter().position(|&b| b == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }

    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| is(n, name)).map(|(_, v)| v)
    }

    /// Only the lines whose name is wanted.
    pub fn only(&self, wanted: impl Fn(&[u8]) -> bool) -> Lines {
        let mut out = Vec::with_capacity(self.0.len());
        for (name, value) in self.iter().filter(|(n, _)| wanted(n)) {
            line(&mut out, name, value);
        }
        Lines(out.into())
    }
}

impl Fields for Lines {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.iter()
            .filter(|(n, _)| is(n, name))
            .for_each(|(_, v)| each(v));
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Head for Vec<(N, V)> {
    fn walk(&self, see: &mut dyn FnMut(&[u8], &[u8])) {
        self.iter().for_each(|(n, v)| see(n.as_ref(), v.as_ref()));
    }
}

impl Head for Lines {
    fn walk(&self, see: &mut dyn FnMut(&[u8], &[u8])) {
        self.iter().for_each(|(n, v)| see(n, v));
    }
}

#[inline]
pub fn is(name: &[u8], lower: &str) -> bool {
    name.eq_ignore_ascii_case(lower.as_bytes())
}

/// What a connection's peers agree on in `Connection` goes no further.
fn copy(
    out: &mut Vec<u8>,
    head: &impl Head,
    withheld: &[Box<[u8]>],
    wanted: impl Fn(&[u8]) -> bool,
) {
    let named = head.joined("connection").unwrap_or_default();
    head.walk(&mut |name, value| {
        let hop = list(&named).any(|n| name.eq_ignore_ascii_case(n));
        let kept_out = withheld.iter().any(|n| name.eq_ignore_ascii_case(n));
        if !hop && !kept_out && !NOT_STORED.iter().any(|n| is(name, n)) && wanted(name) {
            line(out, name, value);
        }
    });
}

/// A name or value that would break the message is left out.
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let good = |&b: &u8| b == b'\t' || (b >= 0x20 && b != 0x7f);
    if !name.is_empty() && !name.contains(&b':') && name.iter().all(good) && value.iter().all(good)
    {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
