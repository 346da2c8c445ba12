//! Heads as gates see them: one view, two backends, HTTP/1 byte runs on the path and a plain list elsewhere.

use http1::{Kind, Method};

/// A request head: runs of HTTP/1 bytes on the path, a plain list in tests.
#[derive(Clone, Copy)]
pub enum Head<'a> {
    Wire(http1::RequestHead<'a>),
    List(&'a ListHead),
}

/// A head as a list, for tests (and later for HTTP/2).
#[derive(Clone, Debug, Default)]
pub struct ListHead {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl ListHead {
    pub fn new(method: &str, target: &str, headers: &[(&str, &str)]) -> ListHead {
        ListHead {
            method: method.into(),
            target: target.into(),
            headers: headers
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
        }
    }
}

impl<'a> Head<'a> {
    pub fn method(&self) -> Method {
        match self {
            Head::Wire(h) => h.meta.method,
            Head::List(h) => Method::from_bytes(h.method.as_bytes()),
        }
    }
    pub fn method_name(&self) -> &'a [u8] {
        match self {
            Head::Wire(h) => h.method_name(),
            Head::List(h) => h.method.as_bytes(),
        }
    }
    /// Path and query in origin form.
    pub fn path_and_query(&self) -> &'a [u8] {
        match self {
            Head::Wire(h) => h.path_and_query(),
            Head::List(h) => h.target.as_bytes(),
        }
    }
    pub fn path(&self) -> &'a [u8] {
        let all = self.path_and_query();
        &all[..all.iter().position(|&b| b == b'?').unwrap_or(all.len())]
    }
    /// After the `?`; `None` without one.
    pub fn query(&self) -> Option<&'a [u8]> {
        let all = self.path_and_query();
        Some(&all[all.iter().position(|&b| b == b'?')? + 1..])
    }
    /// Host with its port, as sent.
    pub fn host(&self) -> Option<&'a [u8]> {
        match self {
            Head::Wire(h) => h.host(),
            Head::List(_) => self.get("host"),
        }
    }
    /// Value of the first header of this name (any case).
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Head::Wire(h) => match http1::classify(name.as_bytes()) {
                Kind::Other | Kind::Underscored => h.fields.named(name.as_bytes()),
                kind => h.fields.get(kind),
            },
            Head::List(h) => list_get(&h.headers, name),
        }
    }
    /// As `get`, for a name that the codec has classified already: one comparison per line.
    pub fn kind(&self, kind: Kind) -> Option<&'a [u8]> {
        match self {
            Head::Wire(h) => h.fields.get(kind),
            Head::List(h) => h
                .headers
                .iter()
                .find(|(n, _)| http1::classify(n.as_bytes()) == kind)
                .map(|(_, v)| v.as_bytes()),
        }
    }
    /// As `kind`, unless there are several lines of it.
    pub fn only(&self, kind: Kind) -> Option<&'a [u8]> {
        match self {
            Head::Wire(h) => {
                let mut all = h.fields.all(kind);
                all.next().filter(|_| all.next().is_none())
            }
            Head::List(h) => {
                let is = |(n, _): &&(String, String)| http1::classify(n.as_bytes()) == kind;
                let mut all = h.headers.iter().filter(is);
                let one = all.next().filter(|_| all.next().is_none());
                one.map(|(_, v)| v.as_bytes())
            }
        }
    }
    /// Calls `see` with name and value of every header, in order.
    pub fn each(&self, mut see: impl FnMut(&'a [u8], &'a [u8])) {
        match self {
            Head::Wire(h) => h.fields.iter().for_each(|(n, v, _)| see(n, v)),
            Head::List(h) => h
                .headers
                .iter()
                .for_each(|(n, v)| see(n.as_bytes(), v.as_bytes())),
        }
    }
    /// As `each`, without what is for this connection alone.
    pub fn each_kept(&self, mut see: impl FnMut(&'a [u8], &'a [u8])) {
        match self {
            Head::Wire(h) => {
                let lines = h.fields.iter();
                let kept = lines.filter(|(_, _, l)| !l.hop && l.kind != Kind::Connection);
                kept.for_each(|(n, v, _)| see(n, v));
            }
            Head::List(_) => self.each(|n, v| {
                if !http1::classify(n).is_hop_by_hop() {
                    see(n, v);
                }
            }),
        }
    }
    /// Whether a body follows the head.
    pub fn has_body(&self) -> bool {
        match self {
            Head::Wire(h) => h.meta.framing.has_body(),
            Head::List(_) => self.get("content-length").is_some_and(|v| v != b"0"),
        }
    }
    /// Whether the client asks to change the protocol.
    pub fn is_upgrade(&self) -> bool {
        match self {
            Head::Wire(h) => h.upgrade().is_some(),
            Head::List(_) => self.get("upgrade").is_some(),
        }
    }
}

fn list_get<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a [u8]> {
    headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.as_bytes())
}

/// A response head as it came from the instance.
#[derive(Clone, Copy)]
pub enum ResponseHead<'a> {
    Wire(http1::ResponseHead<'a>),
    List {
        status: u16,
        headers: &'a [(String, String)],
    },
}

impl<'a> ResponseHead<'a> {
    pub fn status(&self) -> u16 {
        match self {
            ResponseHead::Wire(h) => h.meta.status,
            ResponseHead::List { status, .. } => *status,
        }
    }
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            ResponseHead::Wire(h) => h.fields.named(name.as_bytes()),
            ResponseHead::List { headers, .. } => list_get(headers, name),
        }
    }
    pub fn each(&self, mut see: impl FnMut(&'a [u8], &'a [u8])) {
        match self {
            ResponseHead::Wire(h) => h.fields.iter().for_each(|(n, v, _)| see(n, v)),
            ResponseHead::List { headers, .. } => headers
                .iter()
                .for_each(|(n, v)| see(n.as_bytes(), v.as_bytes())),
        }
    }
    /// As `each`, without what is for this connection alone, or says how the body is framed.
    pub fn each_kept(&self, mut see: impl FnMut(&'a [u8], &'a [u8])) {
        let is_framing = |kind| matches!(kind, Kind::Connection | Kind::ContentLength);
        match self {
            ResponseHead::Wire(h) => {
                let lines = h.fields.iter();
                let kept = lines.filter(|(_, _, l)| !l.hop && !is_framing(l.kind));
                kept.for_each(|(n, v, _)| see(n, v));
            }
            ResponseHead::List { .. } => self.each(|n, v| {
                let kind = http1::classify(n);
                if !kind.is_hop_by_hop() && !is_framing(kind) {
                    see(n, v);
                }
            }),
        }
    }
    /// `Content-Length` of the body that follows, when it is told.
    pub fn length(&self) -> Option<u64> {
        match self {
            ResponseHead::Wire(h) => match h.meta.framing {
                http1::Framing::Length(n) => Some(n),
                http1::Framing::None => Some(0),
                _ => None,
            },
            ResponseHead::List { .. } => std::str::from_utf8(self.get("content-length")?)
                .ok()?
                .parse()
                .ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_backends_of_a_head_answer_alike() {
        let bytes = b"GET /a/b?x=1 HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\nCookie: c\r\nVia: a\r\nvia: b\r\n\r\n";
        let mut lines = http1::Lines::default();
        let http1::Status::Complete(wire) =
            http1::parse_request(bytes, &http1::Limits::default(), &mut lines).unwrap()
        else {
            panic!("the head is whole");
        };
        let list = ListHead::new(
            "GET",
            "/a/b?x=1",
            &[
                ("host", "h:80"),
                ("x-one", "1"),
                ("cookie", "c"),
                ("via", "a"),
                ("Via", "b"),
            ],
        );
        for head in [Head::Wire(wire), Head::List(&list)] {
            assert_eq!(head.method(), Method::Get);
            assert_eq!(head.path(), b"/a/b");
            assert_eq!(head.query(), Some(&b"x=1"[..]));
            assert_eq!(head.host(), Some(&b"h:80"[..]));
            assert_eq!(head.get("X-ONE"), Some(&b"1"[..]));
            assert_eq!(head.kind(Kind::Cookie), Some(&b"c"[..]));
            assert_eq!(head.only(Kind::Cookie), Some(&b"c"[..]));
            assert_eq!((head.only(Kind::Via), head.only(Kind::Age)), (None, None));
            assert_eq!(head.get("x-two"), None);
            assert!(!head.has_body());
        }
    }
}
