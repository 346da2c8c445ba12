//! Requests that Plimsoll makes itself (`cron`, `outbox`): the route that they name is the one that takes them.

use super::Whole;
use crate::sections::{Config, Match, Route, Segment};
use crate::template::by_priority;
use base::Finding;

/// What a job is asked with where nothing else is said.
const HOST: &str = "plimsoll";

/// A request of a job, as far as the file tells it.
pub struct Made<'a> {
    pub method: &'a str,
    /// With its query.
    pub path: &'a str,
    /// All of them but those that Plimsoll adds; `None`: only the host is known.
    pub headers: Option<&'a [(String, String)]>,
}

/// Whether a route takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Takes {
    No,
    /// By headers that the file does not tell.
    Maybe,
    Yes,
}

impl Whole<'_> {
    /// A job is delivered by the route that its request finds: one that finds none, or another, is a mistake.
    pub(super) fn taken_by(
        &mut self,
        c: &Config,
        (kind, name): (&str, &str),
        route: &str,
        made: &Made<'_>,
    ) {
        let Some(named) = c.routes.iter().find(|r| r.name == route) else {
            return;
        };
        let asked = format!("{} {}", made.method, made.path);
        let (what, help) = match made.takes(&named.matcher) {
            Takes::No => (
                format!("`{route}` does not match {asked}: {}", named.matcher),
                made.help(),
            ),
            _ => {
                let first = (c.routes.iter())
                    .filter(|r| made.takes(&r.matcher) == Takes::Yes)
                    .min_by(|a, b| by_priority(a, b));
                let Some(other) = first.filter(|r| by_priority(r, named).is_lt()) else {
                    return;
                };
                (
                    format!(
                        "`{}` takes {asked} before `{route}` does: {}",
                        other.name, other.matcher
                    ),
                    instead(other),
                )
            }
        };
        let finding = Finding::error(&format!("config-{kind}"), what)
            .why("a job is delivered by the route that matches its request")
            .help(help);
        self.add(&[kind, name, "path"], finding);
    }
}

fn instead(other: &Route) -> String {
    match other.asynchronous.is_some() {
        true => format!("name the route `{}`, or give another `path`", other.name),
        false => "give a `path` that no other route matches more closely".into(),
    }
}

impl Made<'_> {
    fn help(&self) -> String {
        match self.headers {
            Some(_) => "give the `path`, `method` and `headers` of a request that the route matches; a host that it asks for is the header `Host`".into(),
            None => format!("give the `path` of a POST that the route matches; its host is `{HOST}`"),
        }
    }

    fn takes(&self, m: &Match) -> Takes {
        let method = m.method.as_deref();
        let fits = method.is_none_or(|m| m == self.method) && fits(m, self.path) && self.hosts(m);
        let least = m.headers.iter().map(|(name, value)| self.has(name, value));
        match fits {
            true => least.min().unwrap_or(Takes::Yes),
            false => Takes::No,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.unwrap_or_default().iter();
        let found = all.find(|h| h.0.eq_ignore_ascii_case(name));
        found.map(|h| h.1.as_str())
    }

    fn hosts(&self, m: &Match) -> bool {
        let Some(wanted) = m.host.as_deref().filter(|h| *h != "*") else {
            return true;
        };
        let host = self.header("host").unwrap_or(HOST);
        let host = match host.starts_with('[') {
            true => host.split_inclusive(']').next(),
            false => host.split(':').next(),
        };
        let host = host.unwrap_or_default().trim_end_matches('.');
        let (host, wanted) = (host.to_ascii_lowercase(), wanted.to_ascii_lowercase());
        match wanted.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == wanted,
        }
    }

    fn has(&self, name: &str, value: &str) -> Takes {
        if name.starts_with("plimsoll-") || name == "idempotency-key" || name == "content-length" {
            return Takes::Maybe;
        }
        match (self.headers, self.header(name)) {
            (None, _) => Takes::Maybe,
            (_, Some(has)) if value.is_empty() || has == value => Takes::Yes,
            _ => Takes::No,
        }
    }
}

/// As the gateway reads paths: empty segments are passed over, and what is percent-encoded is the same.
fn fits(m: &Match, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or("");
    let mut parts = path.split('/').filter(|p| !p.is_empty());
    for segment in &m.path.segments {
        match segment {
            Segment::Rest(_) => return true,
            Segment::Literal(l) if l.is_empty() => {}
            Segment::Literal(l) if parts.next().map(decoded) == Some(decoded(l)) => {}
            Segment::One(_) if parts.next().is_some() => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes().peekable();
    let digit = |b: u8| (b as char).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    while let Some(b) = bytes.next() {
        let mut rest = bytes.clone();
        let (high, low) = (rest.next().and_then(digit), rest.next().and_then(digit));
        match (b, high, low) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                bytes = rest;
            }
            _ => out.push(b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::PathTemplate;

    fn takes(text: &str, host: Option<&str>, headers: &[(&str, &str)], path: &str) -> Takes {
        let (method, path_of) = text.split_once(' ').unwrap_or(("", text));
        let lines = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            let each = all.iter().map(|(n, v)| ((*n).into(), (*v).into()));
            each.collect()
        };
        let m = Match {
            method: (!method.is_empty()).then(|| method.into()),
            host: host.map(Into::into),
            path: PathTemplate::parse(path_of).unwrap(),
            headers: lines(headers),
        };
        let given = lines(&[("HOST", "Shop.Example:8080"), ("X-Kind", "a")]);
        let made = Made {
            method: "POST",
            path,
            headers: Some(&given),
        };
        made.takes(&m)
    }

    #[test]
    fn a_request_is_read_as_the_gateway_reads_it() {
        let by_path = |template: &str, path: &str| takes(template, None, &[], path);
        for (template, path) in [
            ("/", "/"),
            ("/a/{id}", "/a//7/?x=/y"),
            ("POST /a", "/a"),
            ("/r/{rest...}", "/r"),
            ("/a%20b", "/a%20b"),
            ("/ab", "/%61b"),
        ] {
            assert_eq!(by_path(template, path), Takes::Yes, "{template} {path}");
        }
        for (template, path) in [("/a/{id}", "/a/"), ("GET /a", "/a"), ("/a", "/a/b")] {
            assert_eq!(by_path(template, path), Takes::No, "{template} {path}");
        }
        for host in ["shop.example", "*.example", "*"] {
            assert_eq!(takes("/", Some(host), &[], "/"), Takes::Yes, "{host}");
        }
        assert_eq!(takes("/", Some("example"), &[], "/"), Takes::No);
        for (header, said) in [
            (("x-kind", "a"), Takes::Yes),
            (("x-kind", ""), Takes::Yes),
            (("x-kind", "b"), Takes::No),
            (("x-none", ""), Takes::No),
            (("plimsoll-cron", ""), Takes::Maybe),
        ] {
            assert_eq!(takes("/", None, &[header], "/"), said, "{header:?}");
        }
    }
}
