//! What a path asks for. Pure.

use crate::PATH;
use crate::say::{Answer, not_allowed, problem};
use http::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Lease,
    Ack,
    Nack,
    Extend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    Publish,
    Pull(&'a str, Deed),
    Stream(&'a str),
}

/// Names of topics and subscriptions have no percent signs, so none is looked for.
pub fn of<'a>(method: &Method, path: &'a str) -> Result<(&'a str, What<'a>), Answer> {
    let mut parts = path.strip_prefix(PATH).unwrap_or("").split('/');
    let topic = parts.next().unwrap_or("");
    let rest: Vec<&str> = parts.take(3).collect();
    let (what, allowed) = match rest[..] {
        [] if !topic.is_empty() => (What::Publish, Method::POST),
        [name, "pull"] => (What::Pull(name, Deed::Lease), Method::POST),
        [name, "ack"] => (What::Pull(name, Deed::Ack), Method::POST),
        [name, "nack"] => (What::Pull(name, Deed::Nack), Method::POST),
        [name, "extend"] => (What::Pull(name, Deed::Extend), Method::POST),
        [name, "events"] => (What::Stream(name), Method::GET),
        _ => {
            let what = "events are published to /v1/topics/{topic}, and got at \
                        /v1/topics/{topic}/{subscription}/pull, /ack, /nack, /extend or /events";
            return Err(problem(404, "topic-path", what));
        }
    };
    match *method == allowed {
        true => Ok((topic, what)),
        false => Err(not_allowed(allowed.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_is_done() {
        let post = |path| of(&Method::POST, path).map_err(|a| a.status().as_u16());
        assert_eq!(post("/v1/topics/a").unwrap(), ("a", What::Publish));
        assert_eq!(
            post("/v1/topics/a/b/nack").unwrap(),
            ("a", What::Pull("b", Deed::Nack))
        );
        for path in [
            "/v1/topics/",
            "/v1/topics/a/b",
            "/v1/topics/a/b/ack/c",
            "/v1/topics/a/",
        ] {
            assert_eq!(post(path), Err(404), "{path}");
        }
        assert_eq!(post("/v1/topics/a/b/events"), Err(405));
        let get = of(&Method::GET, "/v1/topics/a/b/events").map_err(|a| a.status());
        assert_eq!(get.unwrap(), ("a", What::Stream("b")));
    }
}
