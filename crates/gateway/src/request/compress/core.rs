//! Which coding an answer gets, and whether it is one to be compressed at all (RFC 9110 8.4 and 12.5.3). Pure.

use crate::exchange::ResponseHead;
use config::sections::{Coding, Compress};

/// What is text, when the configuration does not say. `*` stands for anything.
const TYPES: &[&str] = &[
    "text/*",
    "*+json",
    "*+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "font/ttf",
];

/// Fields of the answer that are about its very bytes, or come behind them.
const BOUND: &[&str] = &[
    "content-encoding",
    "content-range",
    "content-md5",
    "content-digest",
    "repr-digest",
    "digest",
    "trailer",
];

pub fn token(coding: Coding) -> &'static str {
    match coding {
        Coding::Gzip => "gzip",
        Coding::Br => "br",
        Coding::Zstd => "zstd",
    }
}

/// All that can be chosen from.
const CODINGS: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

/// What a client says of codings, in all lines of `Accept-Encoding`; weights in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Liked {
    /// By `CODINGS`; the first that is said of one counts.
    named: [Option<u32>; CODINGS.len()],
    others: u32,
}

impl Liked {
    /// One line.
    pub fn read(&mut self, line: &[u8]) {
        for member in line.split(|&b| b == b',') {
            let (name, q) = weighed(member);
            match CODINGS.iter().position(|c| is(name, *c)) {
                Some(i) => self.named[i] = self.named[i].or(Some(q)),
                None if name == b"*" => self.others = q,
                None => {}
            }
        }
    }

    /// The coding that the client likes best; of those that it likes as much, the first that is offered.
    pub fn best(&self, offered: &[Coding]) -> Option<Coding> {
        let mut best: Option<(u32, Coding)> = None;
        for coding in offered {
            let own = CODINGS.iter().position(|c| c == coding);
            let own = own.and_then(|i| self.named[i]);
            let q = own.unwrap_or(self.others);
            if q > best.map_or(0, |(most, _)| most) {
                best = Some((q, *coding));
            }
        }
        best.map(|(_, coding)| coding)
    }
}

fn is(name: &[u8], coding: Coding) -> bool {
    let alias = coding == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip");
    alias || name.eq_ignore_ascii_case(token(coding).as_bytes())
}

/// A coding and its weight in thousandths; a weight that cannot be read is 0.
fn weighed(member: &[u8]) -> (&[u8], u32) {
    let mut parts = member.split(|&b| b == b';');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let weight = parts.next().map(|p| {
        let text = std::str::from_utf8(p.trim_ascii()).unwrap_or_default();
        let q = text.strip_prefix("q=").or(text.strip_prefix("Q="));
        let q = q.and_then(|q| q.parse::<f32>().ok());
        q.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0)
    });
    (name, (weight.unwrap_or(1.0) * 1000.0) as u32)
}

/// Whether the answer gains by it, and may be changed.
pub fn suits(rules: &Compress, head: &ResponseHead<'_>) -> bool {
    let status = head.status();
    let whole = status >= 200 && !matches!(status, 204..=206 | 304);
    let large = || {
        head.get("content-length").is_none_or(|v| {
            let length = std::str::from_utf8(v)
                .ok()
                .and_then(|v| v.parse::<u64>().ok());
            length.is_some_and(|n| n >= rules.min)
        })
    };
    let free = || !BOUND.iter().any(|name| head.get(name).is_some());
    let may = || !says(head, "cache-control", b"no-transform");
    whole && large() && is_text(rules, head) && free() && may()
}

fn is_text(rules: &Compress, head: &ResponseHead<'_>) -> bool {
    let Some(kind) = head.get("content-type") else {
        return false;
    };
    let kind = kind.split(|&b| b == b';').next().unwrap_or_default();
    let kind = kind.trim_ascii();
    let like = |pattern: &str| matches(pattern.as_bytes(), kind);
    // What drips is not held back, whatever the list says.
    if like("text/event-stream") || like("application/grpc*") {
        return false;
    }
    match rules.types.is_empty() {
        true => TYPES.iter().any(|p| like(p)),
        false => rules.types.iter().any(|p| like(p)),
    }
}

fn matches(pattern: &[u8], kind: &[u8]) -> bool {
    match pattern.iter().position(|&b| b == b'*') {
        None => pattern.eq_ignore_ascii_case(kind),
        Some(at) => {
            let (before, after) = (&pattern[..at], &pattern[at + 1..]);
            let middle = kind.len().checked_sub(before.len() + after.len());
            middle.is_some_and(|middle| {
                let (first, rest) = kind.split_at(before.len());
                let last = &rest[middle..];
                first.eq_ignore_ascii_case(before) && last.eq_ignore_ascii_case(after)
            })
        }
    }
}

/// Whether a list has this member, or one that begins so with a `=`.
pub fn says(head: &ResponseHead<'_>, name: &str, member: &[u8]) -> bool {
    let mut found = false;
    head.each(|n, v| {
        if n.eq_ignore_ascii_case(name.as_bytes()) {
            let mut members = v.split(|&b| b == b',').map(<[u8]>::trim_ascii);
            found |= members.any(|m| m.eq_ignore_ascii_case(member));
        }
    });
    found
}

/// The tag of an answer whose bytes are not those of the service's (RFC 9110 8.8.1); `None`: it is weak already.
pub fn weak(etag: &[u8]) -> Option<Vec<u8>> {
    (!etag.starts_with(b"W/")).then(|| [b"W/", etag].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_and_what_it_likes_as_much_we_do() {
        let choose = |accept: &[u8], offered: &[Coding]| {
            let mut liked = Liked::default();
            liked.read(accept);
            liked.best(offered)
        };
        let all = [Coding::Zstd, Coding::Br, Coding::Gzip];
        for (accept, coding) in [
            ("", None),
            ("identity", None),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate", Some(Coding::Gzip)),
            ("X-GZIP", Some(Coding::Gzip)),
            ("br;q=0.5, gzip;q=0.9", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*;q=0.1, zstd;q=0", Some(Coding::Br)),
            ("zstd;q=0, br;q=0.000, gzip;q=x", None),
            ("zstd; Q=0.3 , br ;q=0.2", Some(Coding::Zstd)),
            (",,;q=1,gzip;q=1.5", None),
        ] {
            assert_eq!(choose(accept.as_bytes(), &all), coding, "{accept}");
        }
        assert_eq!(choose(b"zstd, br", &[Coding::Gzip]), None);
        let mut lines = Liked::default();
        lines.read(b"br;q=0.1");
        lines.read(b"gzip");
        assert_eq!(lines.best(&all), Some(Coding::Gzip), "of all lines");
    }

    #[test]
    fn only_what_is_text_whole_large_and_not_forbidden() {
        let json = ("Content-Type", "application/json; charset=utf-8");
        let judge = |rules: &Compress, status, lines: &[(&str, &str)]| {
            let headers: Vec<_> = (lines.iter())
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect();
            let head = ResponseHead::List {
                status,
                headers: &headers,
            };
            suits(rules, &head)
        };
        let rules = Compress::default();
        let good = |status, lines: &[_]| judge(&rules, status, lines);
        assert!(good(200, &[json]) && good(404, &[json, ("Content-Length", "1024")]));
        for kind in [
            "text/html",
            "image/svg+xml",
            "Application/Problem+JSON",
            "text/css",
        ] {
            assert!(good(200, &[("Content-Type", kind)]), "{kind}");
        }
        for kind in [
            "text/event-stream",
            "application/grpc",
            "image/png",
            "",
            "video/mp4",
            "application/zip",
        ] {
            assert!(!good(200, &[("Content-Type", kind)]), "{kind}");
        }
        assert!(
            !good(200, &[]) && !good(204, &[json]) && !good(206, &[json]) && !good(304, &[json])
        );
        for line in [
            ("Content-Length", "1023"),
            ("Content-Encoding", "br"),
            ("Content-Range", "bytes 0-1/2"),
            ("Cache-Control", "max-age=1, No-Transform"),
            ("Repr-Digest", "sha-256=:AA==:"),
            ("Trailer", "x"),
        ] {
            assert!(!good(200, &[json, line]), "{line:?}");
        }
        let own = Compress {
            types: vec!["application/x-*".into(), "text/event-stream".into()],
            ..rules.clone()
        };
        assert!(judge(&own, 200, &[("Content-Type", "application/x-own")]));
        assert!(!judge(&own, 200, &[json]));
        assert!(!judge(&own, 200, &[("Content-Type", "text/event-stream")]));
    }

    #[test]
    fn a_tag_is_weak_once() {
        assert_eq!(weak(b"\"a\"").as_deref(), Some(&b"W/\"a\""[..]));
        assert_eq!(weak(b"W/\"a\""), None);
    }
}
