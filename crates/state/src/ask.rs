//! What a request asks for. Pure.

use base::escape::{self, Wrong};
use http::{HeaderMap, Method, header};
use std::time::Duration;
use store::Etag;

/// Longest key, bytes.
const KEY: usize = 512;
/// Longest media type that is kept, bytes.
const KIND: usize = 127;
const PATH: &str = "/v1/state/";
/// Seconds that a value lives.
pub const TTL: &str = "plimsoll-ttl";

/// What must hold of the value that is there (RFC 9110 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum If {
    /// Nothing is said.
    Any,
    /// `If-Match: *`.
    There,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match`: one of these.
    OneOf(Vec<Etag>),
    /// `If-None-Match`: none of these.
    NoneOf(Vec<Etag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub store: String,
    pub key: String,
    pub what: What,
    pub is: If,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Get,
    Put { ttl: Option<Duration>, kind: String },
    Delete,
}

/// Why a request is none: a status and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad(pub u16, pub String);

fn bad<T>(what: impl Into<String>) -> Result<T, Bad> {
    Err(Bad(400, what.into()))
}

impl Ask {
    pub fn of(method: &Method, path: &str, headers: &HeaderMap) -> Result<Ask, Bad> {
        let place = path.strip_prefix(PATH).and_then(|p| p.split_once('/'));
        let Some((store, key)) = place else {
            let what = "values are at /v1/state/{store}/{key}";
            return Err(Bad(404, what.into()));
        };
        let key = decoded(key)?;
        if key.is_empty() || key.len() > KEY {
            return bad(format!("a key has 1 to {KEY} bytes"));
        }
        let what = match *method {
            Method::GET | Method::HEAD => What::Get,
            Method::DELETE => What::Delete,
            Method::PUT => What::Put {
                ttl: ttl(headers)?,
                kind: kind(headers)?,
            },
            _ => return Err(Bad(405, "a value can be read, put and deleted".into())),
        };
        Ok(Ask {
            store: store.to_owned(),
            key,
            what,
            is: conditions(headers)?,
        })
    }
}

/// Without its percent signs, which may stand for any text.
fn decoded(text: &str) -> Result<String, Bad> {
    escape::decoded(text).or_else(|wrong| match wrong {
        Wrong::Digits => bad("a % in a key is followed by two hexadecimal digits"),
        Wrong::Text => bad("a key is text in UTF-8"),
    })
}

fn ttl(headers: &HeaderMap) -> Result<Option<Duration>, Bad> {
    let Some(value) = headers.get(TTL) else {
        return Ok(None);
    };
    let seconds = value
        .to_str()
        .ok()
        .and_then(|t| t.trim().parse::<u64>().ok());
    match seconds.filter(|s| *s > 0) {
        Some(s) => Ok(Some(Duration::from_secs(s))),
        None => bad("Plimsoll-TTL is a whole number of seconds above 0"),
    }
}

fn kind(headers: &HeaderMap) -> Result<String, Bad> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(String::new());
    };
    match value.to_str() {
        Ok(kind) if kind.len() <= KIND => Ok(kind.to_owned()),
        _ => bad(format!("a Content-Type has at most {KIND} characters")),
    }
}

fn conditions(headers: &HeaderMap) -> Result<If, Bad> {
    let one = |name| {
        let mut all = headers.get_all(name).iter();
        let first = all
            .next()
            .map(|v| v.to_str().unwrap_or("?").trim().to_owned());
        (first, all.next().is_some())
    };
    match (one(header::IF_MATCH), one(header::IF_NONE_MATCH)) {
        ((_, true), _) | (_, (_, true)) => bad("send one If-Match or If-None-Match"),
        ((Some(_), _), (Some(_), _)) => bad("send either If-Match or If-None-Match"),
        ((Some(text), _), _) if text == "*" => Ok(If::There),
        ((Some(text), _), _) => etags(&text).map(If::OneOf),
        (_, (Some(text), _)) if text == "*" => Ok(If::Absent),
        (_, (Some(text), _)) => etags(&text).map(If::NoneOf),
        _ => Ok(If::Any),
    }
}

/// Those that we gave out; others are like none, because no value has them.
fn etags(text: &str) -> Result<Vec<Etag>, Bad> {
    let mut all = Vec::new();
    for part in text.split(',').take(16) {
        let part = part.trim();
        let tag = part.strip_prefix("W/").unwrap_or(part);
        let inner = tag.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let Some(inner) = inner else {
            return bad(format!(
                "`{part}` is no ETag; write it as it came, in quotes"
            ));
        };
        if let Ok(n) = u64::from_str_radix(inner, 16) {
            all.push(Etag(n));
        }
    }
    Ok(all)
}

/// As it stands in `ETag`.
pub fn shown(etag: Etag) -> String {
    format!("\"{:x}\"", etag.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str, lines: &[(&'static str, &str)]) -> Result<Ask, Bad> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Ask::of(&method, path, &headers)
    }

    #[test]
    fn a_path_names_a_store_and_a_key() {
        let key = |path: &str| of(Method::GET, path, &[]).map(|a| (a.store, a.key));
        assert_eq!(
            key("/v1/state/carts/a/b%2Fc%20d"),
            Ok(("carts".into(), "a/b/c d".into()))
        );
        for path in [
            "/v1/state/carts/",
            "/v1/state/carts/%zz",
            "/v1/state/carts/%",
            "/v1/state/carts/%ff",
            "/v1/state/c/%00",
        ] {
            assert_eq!(key(path).unwrap_err().0, 400, "{path}");
        }
        assert_eq!(key("/v1/state/carts").unwrap_err().0, 404);
        assert_eq!(
            key(&format!("/v1/state/c/{}", "x".repeat(513)))
                .unwrap_err()
                .0,
            400
        );
        assert_eq!(of(Method::POST, "/v1/state/a/b", &[]).unwrap_err().0, 405);
    }

    #[test]
    fn conditions_are_those_of_http() {
        let is =
            |lines: &[(&'static str, &str)]| of(Method::PUT, "/v1/state/a/b", lines).map(|a| a.is);
        assert_eq!(is(&[]), Ok(If::Any));
        assert_eq!(is(&[("if-none-match", "*")]), Ok(If::Absent));
        assert_eq!(is(&[("if-match", "*")]), Ok(If::There));
        assert_eq!(
            is(&[("if-match", "\"1f\", W/\"2\"")]),
            Ok(If::OneOf(vec![Etag(31), Etag(2)]))
        );
        assert_eq!(
            is(&[("if-none-match", "\"not ours\"")]),
            Ok(If::NoneOf(vec![]))
        );
        for bad in [
            &[("if-match", "7")][..],
            &[("if-match", "*"), ("if-none-match", "*")],
            &[("if-match", "*"), ("if-match", "*")],
        ] {
            assert_eq!(is(bad).unwrap_err().0, 400);
        }
        assert_eq!(shown(Etag(31)), "\"1f\"");
    }

    #[test]
    fn a_value_has_a_life_and_a_kind() {
        let what = |lines: &[(&'static str, &str)]| {
            of(Method::PUT, "/v1/state/a/b", lines).map(|a| a.what)
        };
        let put = |ttl: Option<u64>, kind: &str| What::Put {
            ttl: ttl.map(Duration::from_secs),
            kind: kind.into(),
        };
        assert_eq!(
            what(&[("plimsoll-ttl", "60"), ("content-type", "a/b")]),
            Ok(put(Some(60), "a/b"))
        );
        assert_eq!(what(&[]), Ok(put(None, "")));
        for ttl in ["0", "-1", "1m", ""] {
            assert!(what(&[("plimsoll-ttl", ttl)]).is_err(), "{ttl}");
        }
    }
}
