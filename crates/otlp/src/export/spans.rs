//! Spans of a request that is kept: one for what the client asked, and one for each attempt.
//!
//! Instances got one span id, however many attempts there were: the attempt that answered has it, so that their spans lie below
//! it. All others have ids that follow from it.

use super::message::{Attributes, Sent, text, whole};
use super::tail::Exchange;
use base::sample::METHODS;
use base::{Arm, CacheState, Details, Names, Nanos, Outcome, Sample};
use std::collections::HashMap;

const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// What numbers in samples mean.
pub struct Words<'a> {
    pub names: &'a Names,
    /// Templates of paths by name of route.
    pub templates: &'a HashMap<String, String>,
    /// Nanoseconds since the Unix epoch at zero of the gateway's clock.
    pub zero: u64,
}

impl Words<'_> {
    pub fn at(&self, at: Nanos) -> u64 {
        self.zero.saturating_add(at.0)
    }

    /// Name and template of a request's route; empty: none matched.
    pub fn route(&self, s: &Sample) -> (String, String) {
        let name = self.names.routes.name(s.route);
        let name = name.map_or(String::new(), |n| n.to_string());
        let template = self.templates.get(&name).cloned().unwrap_or_default();
        (name, template)
    }

    /// Service, host and port of an attempt's instance.
    pub fn instance(&self, s: &Sample) -> (String, String, Option<u16>) {
        let name = self.names.instances.name(s.instance);
        let name = name.as_deref().unwrap_or("");
        let (service, address) = name.split_once('/').unwrap_or(("", name));
        let port = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = port.map_or((address, None), |(host, port)| (host, Some(port)));
        (service.into(), host.trim_matches(['[', ']']).into(), port)
    }
}

pub fn method(s: &Sample) -> &'static str {
    METHODS.get(usize::from(s.method)).unwrap_or(&"_OTHER")
}

pub fn scheme(s: &Sample) -> &'static str {
    if s.secure { "https" } else { "http" }
}

pub fn arm(arm: Arm) -> &'static str {
    match arm {
        Arm::BASE => "base",
        Arm::CANARY => "canary",
        _ => "other",
    }
}

/// `error.type` of a request; empty: it is none.
pub fn error(s: &Sample) -> String {
    match (s.status, s.outcome) {
        (500.., _) => s.status.to_string(),
        (_, Outcome::UpstreamFailed) => "broken-off".into(),
        _ => String::new(),
    }
}

/// The same of an attempt; its status is made up when the instance sent none.
pub fn attempt_error(s: &Sample) -> String {
    match (s.status, s.outcome) {
        (504, Outcome::UpstreamFailed) => "deadline".into(),
        (503, Outcome::UpstreamFailed) => "unavailable".into(),
        (_, Outcome::UpstreamFailed) => "no_answer".into(),
        (_, Outcome::Lost) => "lost".into(),
        (400.., _) => s.status.to_string(),
        _ => String::new(),
    }
}

/// What the instance sent; `None`: nothing.
pub fn attempt_status(s: &Sample) -> Option<u16> {
    (s.status > 0 && s.outcome != Outcome::UpstreamFailed).then_some(s.status)
}

/// Another id for a span beside the one that instances got (splitmix64): the same each time.
fn beside(span: u64, n: u64) -> u64 {
    let mut z = span ^ (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).max(1)
}

/// The span of the request itself.
pub fn root(s: &Sample) -> u64 {
    beside(s.span, 0)
}

/// The request first, then its attempts in their order.
pub fn spans(x: &Exchange, words: &Words<'_>) -> Vec<Sent> {
    let answered = |a: &Sample| a.outcome != Outcome::Lost;
    let told = x.attempts.iter().rposition(answered);
    let mut all = vec![request(x, words)];
    for (i, a) in x.attempts.iter().enumerate() {
        let id = match Some(i) == told {
            true => x.request.span,
            false => beside(x.request.span, i as u64 + 1),
        };
        let how = x.details.as_ref().map_or("", |d| d.failure(a.attempt));
        all.push(attempt(a, how, id, root(&x.request), words));
    }
    all
}

fn request(x: &Exchange, words: &Words<'_>) -> Sent {
    let s = &x.request;
    let (route, template) = words.route(s);
    let mut a = Vec::with_capacity(16);
    text(&mut a, "http.request.method", method(s));
    text(&mut a, "http.route", template.as_str());
    text(&mut a, "url.scheme", scheme(s));
    if let Some(details) = &x.details {
        told(&mut a, details);
    }
    if s.status > 0 {
        whole(&mut a, "http.response.status_code", s.status);
    }
    text(&mut a, "error.type", error(s));
    text(&mut a, "plimsoll.route", route);
    text(&mut a, "plimsoll.arm", arm(s.arm));
    text(&mut a, "plimsoll.outcome", outcome(s.outcome));
    text(&mut a, "plimsoll.cache", cache(s.cache));
    text(&mut a, "plimsoll.kept", x.why.label());
    whole(&mut a, "plimsoll.attempts", s.attempt);
    whole(&mut a, "plimsoll.wait_us", s.wait_us);
    let name = match template.is_empty() {
        true => method(s).to_owned(),
        false => format!("{} {template}", method(s)),
    };
    Sent {
        trace: s.trace,
        id: root(s),
        parent: s.caller,
        name,
        kind: SERVER,
        start: words.at(s.start),
        end: words.at(s.end),
        attributes: a,
        is_error: !error(s).is_empty(),
    }
}

/// Who asked for what, and what gates made of it.
fn told(a: &mut Attributes, d: &Details) {
    text(a, "url.path", &*d.path);
    text(a, "client.address", &*d.client);
    text(a, "plimsoll.tenant", &*d.tenant);
    text(a, "plimsoll.reason", d.reason);
    text(a, "plimsoll.cache_status", &*d.cache);
    text(a, "plimsoll.gates", d.told());
}

/// `how` it failed, where that is known better than by its status.
fn attempt(s: &Sample, how: &'static str, id: u64, parent: u64, words: &Words<'_>) -> Sent {
    let (service, host, port) = words.instance(s);
    let mut a = Vec::with_capacity(10);
    text(&mut a, "http.request.method", method(s));
    text(&mut a, "server.address", host);
    if let Some(port) = port {
        whole(&mut a, "server.port", port);
    }
    if let Some(status) = attempt_status(s) {
        whole(&mut a, "http.response.status_code", status);
    }
    if s.attempt > 1 {
        whole(&mut a, "http.request.resend_count", s.attempt - 1);
    }
    text(&mut a, "error.type", attempt_error(s));
    text(&mut a, "plimsoll.failure", how);
    text(&mut a, "plimsoll.service", service);
    text(&mut a, "plimsoll.outcome", outcome(s.outcome));
    if s.wait_us != u32::MAX {
        whole(&mut a, "plimsoll.wait_us", s.wait_us);
    }
    whole(&mut a, "plimsoll.first_byte_us", s.first_byte_us);
    Sent {
        trace: s.trace,
        id,
        parent,
        name: method(s).to_owned(),
        kind: CLIENT,
        start: words.at(s.start),
        end: words.at(s.end),
        attributes: a,
        is_error: !attempt_error(s).is_empty(),
    }
}

/// As the access log has it.
fn outcome(o: Outcome) -> &'static str {
    match o {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::ClientGone => "client-gone",
        Outcome::UpstreamFailed => "upstream-failed",
        Outcome::Stream => "stream",
        Outcome::Lost => "lost",
    }
}

fn cache(c: CacheState) -> &'static str {
    match c {
        CacheState::Off => "",
        CacheState::Hit => "hit",
        CacheState::Miss => "miss",
        CacheState::Bypass => "bypass",
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Value;
    use super::super::tail::Why;
    use super::*;
    use base::{Decided, InstanceIx, RouteIx, SampleKind};
    use std::sync::Arc;

    fn of<'a>(s: &'a Sent, key: &str) -> Option<&'a Value> {
        s.attributes.iter().find(|(k, _)| k == key).map(|a| &a.1)
    }

    #[test]
    fn the_attempt_that_answered_has_the_id_that_the_instance_got() {
        let names = Names::default();
        let route = names.routes.intern("product");
        let instance = names.instances.intern("shop/[::1]:7001");
        let templates = HashMap::from([("product".to_owned(), "/products/{id}".to_owned())]);
        let words = Words {
            names: &names,
            templates: &templates,
            zero: 1_000,
        };
        let make = |kind, attempt, outcome, status| {
            let mut s = Sample::new(kind, route, Nanos(5));
            (s.trace, s.span, s.method) = (7, 9, 0);
            (s.attempt, s.outcome, s.status) = (attempt, outcome, status);
            s.instance = instance;
            s.end = Nanos(25);
            s
        };
        let mut request = make(SampleKind::Request, 3, Outcome::Done, 200);
        request.caller = 4;
        let x = Exchange {
            request,
            attempts: vec![
                make(SampleKind::Attempt, 1, Outcome::UpstreamFailed, 504),
                make(SampleKind::Attempt, 2, Outcome::Done, 200),
                make(SampleKind::Attempt, 3, Outcome::Lost, 0),
            ],
            why: Why::Slow,
            details: Some(Arc::new(Details {
                path: "/products/7".into(),
                client: "192.0.2.7".into(),
                decisions: vec![Decided {
                    gate: "retry",
                    what: "again",
                    attempt: 1,
                }],
                failures: vec![(1, "deadline")],
                ..Details::default()
            })),
        };
        let all = spans(&x, &words);
        let [root, failed, answered, lost] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(
            (root.parent, root.kind, root.name.as_str()),
            (4, SERVER, "GET /products/{id}")
        );
        assert_eq!((root.start, root.end), (1_005, 1_025));
        assert_eq!(of(root, "plimsoll.kept"), Some(&Value::Text("slow".into())));
        for (key, value) in [
            ("url.path", "/products/7"),
            ("client.address", "192.0.2.7"),
            ("plimsoll.gates", "retry: again (try 1)"),
        ] {
            assert_eq!(of(root, key), Some(&Value::Text(value.into())));
        }
        assert_eq!(of(root, "plimsoll.tenant"), None, "nobody knows");
        let how = Some(&Value::Text("deadline".into()));
        assert_eq!(of(failed, "plimsoll.failure"), how);
        assert_eq!(of(answered, "plimsoll.failure"), None);
        assert!(!root.is_error && failed.is_error && !answered.is_error);
        assert_eq!(answered.id, 9, "spans of the instance lie below it");
        let ids = [root.id, failed.id, answered.id, lost.id];
        let distinct: std::collections::HashSet<u64> = ids.into_iter().collect();
        assert_eq!(distinct.len(), 4);
        assert!(all[1..].iter().all(|s| s.parent == root.id && s.trace == 7));
        assert_eq!(of(failed, "http.response.status_code"), None);
        assert_eq!(
            of(failed, "error.type"),
            Some(&Value::Text("deadline".into()))
        );
        assert_eq!(
            of(answered, "server.address"),
            Some(&Value::Text("::1".into()))
        );
        assert_eq!(of(answered, "server.port"), Some(&Value::Whole(7001)));
        assert_eq!(
            of(answered, "http.request.resend_count"),
            Some(&Value::Whole(1))
        );
        let mut none = Sample::new(SampleKind::Attempt, RouteIx::NONE, Nanos(0));
        none.instance = InstanceIx::NONE;
        assert_eq!(words.instance(&none), (String::new(), String::new(), None));
    }
}
