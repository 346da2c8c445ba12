//! What a request asks for. Pure, but for the clock and ids that are drawn.

use super::follow::Which;
use super::{LIMIT, WAIT, now_ms};
use crate::event::keep;
use crate::percent::decoded;
use crate::subscription::Subscription;
use cloudevents::Mode;
use http::request::Parts;
use http::{Method, header};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;
use store::{Expect, MAX_EVENTS, NewEvent};

/// Longest name of a stream, bytes.
const NAME: usize = 255;
/// What the stream is expected to hold.
const EXPECTED: &str = "plimsoll-expected-version";

#[derive(Debug)]
pub struct Ask {
    /// Of the stream or subscription; empty: of all.
    pub name: String,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Append(Expect, Vec<NewEvent>),
    Read {
        from: Option<u64>,
        back: bool,
        limit: usize,
    },
    All {
        prefix: Option<String>,
        after: u64,
        limit: usize,
        wait: Duration,
    },
    Names {
        after: String,
        limit: usize,
    },
    Subscribe(Subscription),
    Unsubscribe,
    Subscription,
    Subscriptions,
    Next {
        limit: usize,
        wait: Duration,
    },
    Acknowledge {
        position: u64,
        back: bool,
    },
}

/// Why a request is none: a status and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad(pub u16, pub String);

impl From<String> for Bad {
    fn from(what: String) -> Bad {
        Bad(400, what)
    }
}

impl From<cloudevents::Bad> for Bad {
    fn from(cloudevents::Bad(what): cloudevents::Bad) -> Bad {
        Bad(400, what)
    }
}

fn bad<T>(what: &str) -> Result<T, Bad> {
    Err(Bad(400, what.into()))
}

impl Ask {
    pub fn of(head: &Parts, body: &[u8]) -> Result<Ask, Bad> {
        let path = head.uri.path().strip_prefix("/v1/").unwrap_or("");
        let (root, rest) = path.split_once('/').unwrap_or((path, ""));
        let query = Query::of(head.uri.query().unwrap_or(""))?;
        let (name, what) = match root {
            "streams" => streams(head, rest, &query, body)?,
            _ => subscriptions(head, rest, &query, body)?,
        };
        Ok(Ask { name, what })
    }
}

/// Which streams are read along.
pub fn followed(head: &Parts) -> Result<Which, Bad> {
    let query = Query::of(head.uri.query().unwrap_or(""))?;
    let path = head.uri.path().strip_prefix("/v1/streams").unwrap_or("");
    let name = decoded(path.strip_prefix('/').unwrap_or(path))?;
    if name.is_empty() {
        query.only(&["prefix", "after"])?;
        let prefix = query.get("prefix").map(str::to_owned);
        return Ok(Which {
            stream: None,
            prefix,
        });
    }
    query.only(&["after"])?;
    good_name(&name)?;
    Ok(Which {
        stream: Some(name),
        prefix: None,
    })
}

fn good_name(name: &str) -> Result<(), Bad> {
    match name.len() > NAME || name.chars().any(char::is_control) {
        false => Ok(()),
        true => Err(Bad(
            400,
            format!("the name of a stream has 1 to {NAME} bytes, and no control characters"),
        )),
    }
}

fn method<T>() -> Result<T, Bad> {
    Err(Bad(405, "this cannot be asked in that way".into()))
}

fn streams(head: &Parts, rest: &str, query: &Query, body: &[u8]) -> Result<(String, What), Bad> {
    let name = decoded(rest)?;
    if name.is_empty() {
        query.only(&["prefix", "after", "limit", "wait", "names"])?;
        let what = match (&head.method, query.get("names")) {
            (&Method::GET | &Method::HEAD, None) => What::All {
                prefix: query.get("prefix").map(str::to_owned),
                after: query.number("after")?.unwrap_or(0),
                limit: query.limit()?,
                wait: query.wait()?,
            },
            (&Method::GET | &Method::HEAD, Some(_)) => What::Names {
                after: query.get("after").unwrap_or("").to_owned(),
                limit: query.limit()?,
            },
            _ => return method(),
        };
        return Ok((name, what));
    }
    good_name(&name)?;
    let what = match head.method {
        Method::POST => {
            query.only(&[])?;
            What::Append(expected(head)?, events(head, &name, body)?)
        }
        Method::GET | Method::HEAD => {
            query.only(&["from", "order", "limit"])?;
            let back = match query.get("order") {
                None | Some("forward") => false,
                Some("backward") => true,
                Some(_) => return bad("`order` is `forward` or `backward`"),
            };
            What::Read {
                from: query.number("from")?,
                back,
                limit: query.limit()?,
            }
        }
        _ => return method(),
    };
    Ok((name, what))
}

fn expected(head: &Parts) -> Result<Expect, Bad> {
    let Some(value) = head.headers.get(EXPECTED) else {
        return Ok(Expect::Any);
    };
    match value.to_str().unwrap_or("").trim() {
        "any" => Ok(Expect::Any),
        "none" => Ok(Expect::Empty),
        text => match text.parse() {
            Ok(version) => Ok(Expect::Version(version)),
            Err(_) => bad(
                "Plimsoll-Expected-Version is `any`, `none`, or the number of events that the stream has",
            ),
        },
    }
}

fn events(head: &Parts, stream: &str, body: &[u8]) -> Result<Vec<NewEvent>, Bad> {
    let now = now_ms();
    let lines = head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
    let all = cloudevents::read(
        mode(head, body)?,
        lines,
        body.to_vec(),
        MAX_EVENTS,
        |draft| keep(draft, stream, now, drawn),
    )?;
    match all.is_empty() {
        true => bad("the batch is empty"),
        false => Ok(all),
    }
}

/// As the request says, and plain JSON is an event too, or a list of them.
fn mode(head: &Parts, body: &[u8]) -> Result<Mode, Bad> {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.map(|k| k.to_str().unwrap_or("?"));
    let is_json = kind.is_some() && cloudevents::is_json(kind);
    match Mode::of(kind)? {
        Mode::Binary if head.headers.contains_key("ce-type") => Ok(Mode::Binary),
        Mode::Binary if is_json && body.trim_ascii_start().starts_with(b"[") => Ok(Mode::Batch),
        Mode::Binary if is_json => Ok(Mode::Structured),
        Mode::Binary => {
            let what = "send application/cloudevents+json, application/cloudevents-batch+json, or `ce-` headers with the data";
            Err(Bad(415, what.into()))
        }
        told => Ok(told),
    }
}

/// An id that nobody else has.
fn drawn() -> String {
    let mut bytes = [0; 16];
    // Without randomness nothing else in here goes on either.
    let _ = SystemRandom::new().fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

fn subscriptions(
    head: &Parts,
    rest: &str,
    query: &Query,
    body: &[u8],
) -> Result<(String, What), Bad> {
    let (name, deed) = match rest.rsplit_once('/') {
        Some((name, deed @ ("events" | "ack"))) => (name, deed),
        _ => (rest, ""),
    };
    let name = decoded(name)?;
    let what = match (&head.method, deed, name.is_empty()) {
        (&Method::GET | &Method::HEAD, "", true) => What::Subscriptions,
        (_, _, true) => return method(),
        (&Method::GET | &Method::HEAD, "", _) => What::Subscription,
        (&Method::DELETE, "", _) => What::Unsubscribe,
        (&Method::PUT, "", _) => What::Subscribe(subscription(body)?),
        (&Method::GET, "events", _) => {
            query.only(&["limit", "wait"])?;
            What::Next {
                limit: query.limit()?,
                wait: query.wait()?,
            }
        }
        (&Method::POST, "ack", _) => acknowledged(body)?,
        _ => return method(),
    };
    Ok((name, what))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    stream: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    position: u64,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledged {
    position: u64,
    #[serde(default)]
    back: bool,
}

fn read<'b, T: serde::Deserialize<'b>>(body: &'b [u8]) -> Result<T, Bad> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|e| Bad(400, format!("the body is not what is taken here: {e}")))
}

fn subscription(body: &[u8]) -> Result<Subscription, Bad> {
    let Wanted {
        stream,
        prefix,
        position,
    } = read(body)?;
    let long = |name: &Option<String>| name.as_ref().is_some_and(|n| n.len() > NAME);
    if long(&stream) || long(&prefix) {
        return Err(Bad(
            400,
            format!("the name of a stream has at most {NAME} bytes"),
        ));
    }
    Ok(Subscription {
        stream,
        prefix,
        position,
        acked_ms: 0,
    })
}

fn acknowledged(body: &[u8]) -> Result<What, Bad> {
    let Acknowledged { position, back } = read(body)?;
    Ok(What::Acknowledge { position, back })
}

/// The parameters of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Result<Query, Bad> {
        let pairs = text.split('&').filter(|p| !p.is_empty()).take(16);
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(&value.replace('+', " "))?))
        });
        Ok(Query(pairs.collect::<Result<_, Bad>>()?))
    }

    /// A slip in a name must not read something else than was meant.
    fn only(&self, known: &[&str]) -> Result<(), Bad> {
        match self.0.iter().find(|p| !known.contains(&p.0.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let what = format!(
                    "`{}` is no parameter here; there are: {}",
                    name.escape_debug(),
                    known.join(", ")
                );
                Err(Bad(400, what))
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|p| p.0 == name);
        found.map(|p| p.1.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Bad> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(Bad(400, format!("`{name}` is a whole number"))),
        }
    }

    fn limit(&self) -> Result<usize, Bad> {
        let limit = self.number("limit")?.unwrap_or(100);
        match (1..=LIMIT as u64).contains(&limit) {
            true => Ok(limit as usize),
            false => Err(Bad(
                400,
                format!("`limit` is a whole number from 1 to {LIMIT}"),
            )),
        }
    }

    fn wait(&self) -> Result<Duration, Bad> {
        let seconds = self.number("wait")?.unwrap_or(0);
        Ok(Duration::from_secs(seconds).min(WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, target: &str, lines: &[(&str, &str)], body: &str) -> Result<Ask, Bad> {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        Ask::of(&request.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn a_path_names_a_stream_or_a_subscription() {
        let name = |target: &str| of("GET", target, &[], "").map(|a| a.name).map_err(|b| b.0);
        assert_eq!(name("/v1/streams/orders%2F1"), Ok("orders/1".into()));
        assert_eq!(
            name("/v1/streams/orders/1?from=3&order=backward"),
            Ok("orders/1".into())
        );
        assert_eq!(
            name("/v1/subscriptions/a%20b/events?wait=1"),
            Ok("a b".into())
        );
        for target in [
            "/v1/streams/%zz",
            "/v1/streams/a?from=x",
            "/v1/streams/a?form=1",
            "/v1/streams/a?order=up",
            "/v1/streams/a?limit=0",
            "/v1/streams?limit=1001",
            "/v1/streams/%00",
        ] {
            assert_eq!(name(target), Err(400), "{target}");
        }
        assert_eq!(of("PATCH", "/v1/streams/a", &[], "").unwrap_err().0, 405);
        assert_eq!(of("POST", "/v1/streams", &[], "").unwrap_err().0, 405);
        assert_eq!(
            of("DELETE", "/v1/subscriptions", &[], "").unwrap_err().0,
            405
        );
    }

    #[test]
    fn a_stream_or_all_are_followed() {
        let which = |target: &str| {
            let request = http::Request::get(target).body(()).unwrap();
            followed(&request.into_parts().0).map_err(|b| b.0)
        };
        let of = |stream: Option<&str>, prefix: Option<&str>| {
            Ok(Which {
                stream: stream.map(str::to_owned),
                prefix: prefix.map(str::to_owned),
            })
        };
        assert_eq!(which("/v1/streams?after=3"), of(None, None));
        assert_eq!(which("/v1/streams/?prefix=o-"), of(None, Some("o-")));
        assert_eq!(which("/v1/streams/a%2Fb/c"), of(Some("a/b/c"), None));
        for wrong in [
            "/v1/streams/a?from=1",
            "/v1/streams?limit=1",
            "/v1/streams/%00",
        ] {
            assert_eq!(which(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn an_append_says_what_it_expects() {
        let event = r#"{"type":"t","id":"1"}"#;
        let append = |lines: &[(&str, &str)], body: &str| {
            let lines = [&[("content-type", "application/json")][..], lines].concat();
            match of("POST", "/v1/streams/s", &lines, body) {
                Ok(Ask {
                    what: What::Append(expect, events),
                    ..
                }) => Ok((expect, events.len())),
                Ok(_) => panic!("not an append"),
                Err(bad) => Err(bad.0),
            }
        };
        assert_eq!(append(&[], event), Ok((Expect::Any, 1)));
        assert_eq!(
            append(&[(EXPECTED, "none")], &format!("[{event}]")),
            Ok((Expect::Empty, 1))
        );
        assert_eq!(
            append(&[(EXPECTED, "7")], event),
            Ok((Expect::Version(7), 1))
        );
        assert_eq!(append(&[(EXPECTED, "-1")], event), Err(400));
        assert_eq!(append(&[], "[]"), Err(400));
        let many = vec![event; MAX_EVENTS + 1].join(",");
        assert_eq!(append(&[], &format!("[{many}]")), Err(400));
        let plain = of(
            "POST",
            "/v1/streams/s",
            &[("content-type", "text/plain")],
            "x",
        );
        assert_eq!(plain.unwrap_err().0, 415);
        let binary = [
            ("ce-type", "t"),
            ("ce-id", "1"),
            ("content-type", "text/plain"),
        ];
        assert!(of("POST", "/v1/streams/s", &binary, "x").is_ok());
    }

    #[test]
    fn bodies_are_taken_as_they_are_meant() {
        let put = |body: &str| {
            of("PUT", "/v1/subscriptions/a", &[], body)
                .map(|_| ())
                .map_err(|b| b.0)
        };
        assert_eq!(put(""), Ok(()));
        assert_eq!(put(r#"{"stream":"s","position":3}"#), Ok(()));
        assert_eq!(put(r#"{"steam":"s"}"#), Err(400));
        let ack = |body: &str| of("POST", "/v1/subscriptions/a/ack", &[], body).map_err(|b| b.0);
        assert!(matches!(
            ack(r#"{"position":3}"#).unwrap().what,
            What::Acknowledge {
                position: 3,
                back: false
            }
        ));
        assert_eq!(ack("{}").unwrap_err(), 400);
    }
}
