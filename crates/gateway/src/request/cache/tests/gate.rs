//! The cache gate from miss to hit, without sockets.

use super::super::{Store, make};
use crate::exchange::{Edits, Exchange, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{Gate, Step};
use crate::request::coalesce::{Flights, Role, Told};
use crate::testing::{Bench, Run, edits, header};
use base::{Arm, CacheState, Nanos};
use std::sync::Arc;
use std::time::Duration;

fn bench() -> Bench {
    let mut b = Bench::default();
    b.route.cache = Some(config::sections::Cache {
        ttl: Some(Duration::from_secs(10)),
        stale_while_revalidate: Some(Duration::from_secs(5)),
        size: 1 << 20,
        max_body: 1000,
        ..Default::default()
    });
    b
}

fn s(seconds: u64) -> Nanos {
    Nanos(1 + seconds * 1_000_000_000)
}

/// Lets the instance answer what `run` let pass; gives the edits of the response.
fn respond(
    gate: &dyn Gate,
    run: &mut Run,
    status: u16,
    headers: &[(&str, &str)],
    body: &[&[u8]],
    complete: bool,
) -> Vec<String> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect();
    let mut changes = Edits::default();
    let mut out = Outgoing {
        head: ResponseHead::List {
            status,
            headers: &headers,
        },
        edits: &mut changes,
    };
    let mut x = Exchange {
        head: Head::List(&run.head),
        facts: &mut run.facts,
    };
    gate.reply(&mut x, &mut run.slot, &mut out, run.now);
    body.iter().for_each(|part| gate.tap(&mut run.slot, part));
    if complete {
        gate.tap(&mut run.slot, b"");
    }
    run.facts.complete = complete;
    gate.leave(&mut run.facts, &mut run.slot, run.now);
    edits(&changes)
}

fn ask(
    b: &Bench,
    gate: &dyn Gate,
    target: &str,
    headers: &[(&str, &str)],
    at: u64,
) -> (Option<Reply>, Run) {
    let mut run = b.run_at(gate, "GET", target, headers, s(at));
    match std::mem::replace(&mut run.step, Step::Go) {
        Step::Answer(reply) => (Some(reply), run),
        _ => (None, run),
    }
}

/// Asks, and stores the answer.
fn fill(
    b: &Bench,
    gate: &Arc<dyn Gate>,
    target: &str,
    headers: &[(&str, &str)],
    response: &[(&str, &str)],
    at: u64,
) -> Vec<String> {
    let (hit, mut run) = ask(b, &**gate, target, headers, at);
    assert!(hit.is_none());
    respond(&**gate, &mut run, 200, response, &[b"he", b"llo"], true)
}

#[test]
fn from_miss_to_hit_to_expiry() {
    let b = bench();
    let gate = make(&b.making()).unwrap();
    let response = [
        ("Content-Type", "text/plain"),
        ("ETag", "\"1\""),
        ("X-Own", "kept"),
        ("Connection", "x-hop"),
        ("X-Hop", "dropped"),
        ("Content-Length", "5"),
        ("Server-Timing", "cpu;dur=5"),
    ];
    let said = fill(&b, &gate, "/a?x=1", &[], &response, 0);
    assert_eq!(
        said,
        ["append Cache-Status: plimsoll; fwd=uri-miss; fwd-status=200; ttl=10; stored"]
    );
    let (hit, run) = ask(&b, &*gate, "/a?x=1", &[], 4);
    let hit = hit.expect("a hit");
    assert_eq!(
        (hit.status, &hit.body[..], hit.reason),
        (200, &b"hello"[..], "")
    );
    assert_eq!(run.facts.cache, CacheState::Hit);
    let lines = std::str::from_utf8(&hit.stored).unwrap();
    assert!(
        lines.starts_with("Content-Type: text/plain\r\nETag: \"1\"\r\nX-Own: kept\r\nDate: "),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 4);
    assert_eq!(
        (header(&hit, "age"), header(&hit, "cache-status")),
        ("4".into(), "plimsoll; hit; ttl=6".into())
    );

    let (same, _) = ask(&b, &*gate, "/a?x=1", &[("if-none-match", "\"1\"")], 4);
    let same = same.unwrap();
    assert_eq!(
        (same.status, same.body.len(), header(&same, "content-type")),
        (304, 0, "".into())
    );
    for other in ["/a", "/a?x=2", "/A?x=1"] {
        assert!(ask(&b, &*gate, other, &[], 4).0.is_none(), "{other}");
    }
    assert!(
        ask(&b, &*gate, "/a?x=1", &[("host", "other")], 4)
            .0
            .is_none()
    );
    assert!(
        ask(&b, &*gate, "/a?x=1", &[("cache-control", "no-cache")], 4)
            .0
            .is_none()
    );
    assert!(
        ask(&b, &*gate, "/a?x=1", &[("cache-control", "max-age=3")], 4)
            .0
            .is_none()
    );
    for session in [("cookie", "sid=1"), ("authorization", "x")] {
        let (answer, _) = ask(&b, &*gate, "/a?x=1", &[session], 4);
        assert!(
            answer.is_none(),
            "the route's lifetime is not for {session:?}"
        );
    }
    let (only, _) = ask(
        &b,
        &*gate,
        "/none",
        &[("cache-control", "only-if-cached")],
        4,
    );
    assert_eq!(only.unwrap().status, 504);
    let head = b.run_at(&*gate, "HEAD", "/a?x=1", &[], s(4));
    assert!(
        matches!(head.step, Step::Answer(_)),
        "HEAD is answered from GET"
    );

    // Stale: one is told to fetch it anew, the fetch itself finds nothing, then it is over.
    let (stale, run) = ask(&b, &*gate, "/a?x=1", &[], 11);
    assert_eq!(
        header(&stale.unwrap(), "cache-status"),
        "plimsoll; hit; ttl=-1"
    );
    assert!(run.facts.refresh_wanted);
    let (stale, run) = ask(&b, &*gate, "/a?x=1", &[], 12);
    assert!(stale.is_some() && !run.facts.refresh_wanted);
    let refresh = b.run_with(&*gate, |facts| facts.is_refresh = true);
    assert!(matches!(refresh.step, Step::Go));
    assert!(ask(&b, &*gate, "/a?x=1", &[], 15).0.is_none());
}

#[test]
fn what_did_not_pass_whole_or_small_is_not_stored_and_holds_no_room() {
    let b = bench();
    let gate = make(&b.making()).unwrap();
    let big = [7u8; 600];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a [u8]], bool);
    let cases: [Case<'_>; 4] = [
        ("/cut", &[], &[b"he"], false),
        ("/large", &[], &[&big, &big], true),
        ("/told", &[("content-length", "1001")], &[], true),
        ("/cookie", &[("set-cookie", "a=b")], &[b"x"], true),
    ];
    for (target, headers, body, complete) in cases {
        let (_, mut run) = ask(&b, &*gate, target, &[], 0);
        respond(&*gate, &mut run, 200, headers, body, complete);
        assert!(ask(&b, &*gate, target, &[], 1).0.is_none(), "{target}");
    }
    let (_, mut dropped) = ask(&b, &*gate, "/dropped", &[], 0);
    let headers = [];
    let mut changes = Edits::default();
    let mut out = Outgoing {
        head: ResponseHead::List {
            status: 200,
            headers: &headers,
        },
        edits: &mut changes,
    };
    let mut x = Exchange {
        head: Head::List(&dropped.head),
        facts: &mut dropped.facts,
    };
    gate.reply(&mut x, &mut dropped.slot, &mut out, s(0));
    gate.tap(&mut dropped.slot, b"abc");
    let store = b.kept.get("r", || Store::new(1, 1));
    assert_eq!(store.filling(), 3);
    drop(dropped);
    assert_eq!((store.filling(), store.counts().keys), (0, 0));
}

#[test]
fn a_change_by_any_route_reaches_every_stored_answer_of_its_path() {
    let b = bench();
    let gate = make(&b.making()).unwrap();
    let mut other = Bench::default();
    other.route.name = "change".into();
    let change = make(&crate::gate::Making {
        kept: &b.kept,
        ..other.making()
    })
    .unwrap();
    let stored = || {
        fill(&b, &gate, "/a?x=1", &[], &[], 0);
        fill(&b, &gate, "/b", &[], &[], 0);
    };
    stored();
    let send = |method: &str, status: u16, at: u64| {
        let mut run = b.run_at(&*change, method, "/a", &[], s(at));
        respond(&*change, &mut run, status, &[], &[], true);
    };
    let hit = |target: &str, at| ask(&b, &*gate, target, &[], at).0.is_some();
    send("POST", 500, 1);
    send("GET", 200, 1);
    assert!(hit("/a?x=1", 2), "nothing was changed");
    // A fill that was under way when the change came is worth nothing.
    let (_, mut early) = ask(&b, &*gate, "/a", &[], 2);
    send("BREW", 204, 3);
    respond(&*gate, &mut early, 200, &[], &[b"old"], true);
    assert!(!hit("/a?x=1", 4) && !hit("/a", 4));
    assert!(hit("/b", 4));
    fill(&b, &gate, "/a?x=1", &[], &[], 5);
    assert!(hit("/a?x=1", 6));
}

#[test]
fn arms_and_variants_are_apart_and_a_new_generation_goes_on() {
    let b = bench();
    let gate = make(&b.making()).unwrap();
    fill(
        &b,
        &gate,
        "/a",
        &[("accept", "text/html")],
        &[("vary", "Accept")],
        0,
    );
    let hit =
        |gate: &dyn Gate, accept: &str| ask(&b, gate, "/a", &[("accept", accept)], 1).0.is_some();
    assert!(hit(&*gate, "text/html") && !hit(&*gate, "text/plain"));
    let canary = make(&crate::gate::Making {
        arm: Arm::CANARY,
        ..b.making()
    })
    .unwrap();
    assert!(!hit(&*canary, "text/html"));
    drop(gate);
    let next = make(&b.making()).unwrap();
    assert!(hit(&*next, "text/html"));
}

#[test]
fn what_a_hit_costs() {
    let b = bench();
    let gate = make(&b.making()).unwrap();
    fill(
        &b,
        &gate,
        "/a",
        &[],
        &[("content-type", "text/plain"), ("etag", "\"1\"")],
        0,
    );
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        assert!(ask(&b, &*gate, "/a", &[], 1).0.is_some());
    }
    println!(
        "{:?} per hit, with the bench's own request",
        start.elapsed() / 10_000
    );
}

#[test]
fn who_waits_for_an_answer_hears_what_came_of_it() {
    type Heard = fn(&Told) -> bool;
    type Case<'a> = (u16, &'a [(&'a str, &'a str)], bool, Heard);
    let (stored, alone): (Heard, Heard) =
        (|t| matches!(t, Told::Stored), |t| matches!(t, Told::Alone));
    let leads: Heard = |t| matches!(t, Told::Lead(_));
    let fresh = [("Cache-Control", "max-age=60")];
    let private = [("Cache-Control", "private")];
    let cases: [Case<'_>; 6] = [
        (200, &fresh, true, stored),
        (200, &private, true, alone),
        (429, &[], true, alone),
        (304, &fresh, true, leads),
        (500, &[], true, leads),
        (200, &fresh, false, leads),
    ];
    for (status, headers, complete, expected) in cases {
        let (b, flights) = (bench(), Arc::new(Flights::default()));
        let gate = make(&b.making()).unwrap();
        let Role::Lead(lead) = flights.join(1, true, s(0)) else {
            panic!("leads")
        };
        let Role::Follow(mut told) = flights.join(1, true, s(0)) else {
            panic!("follows")
        };
        let (_, mut run) = ask(&b, &*gate, "/", &[], 0);
        run.facts.flight = Some(lead);
        respond(&*gate, &mut run, status, headers, &[b"x"], complete);
        let heard = told.try_recv().expect("told");
        assert!(expected(&heard), "{status} {complete}: {heard:?}");
        let knows = matches!(flights.join(1, true, s(1)), Role::Alone);
        assert_eq!(
            knows,
            status == 200 && headers == private,
            "{status}: remembered"
        );
    }
}
