//! The access log over real sockets: what a line tells, which requests get one, and what happens when it is stuck. And the
//! same notes as they are told of requests that are kept as traces.

use crate::common::*;
use base::{Decided, Details, SampleKind};
use config::Config;
use config::sections::{AccessLog, Cache, ClientAddress, LogTo, Rate};
use gateway::Options;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

fn to(path: &Path) -> AccessLog {
    AccessLog {
        to: LogTo::File(path.into()),
        ..AccessLog::default()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    whole.map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_line_tells_attempts_gates_and_times_but_no_query() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::http(move |_, _| match asked.fetch_add(1, SeqCst) {
        0 => b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => ok(b"hello"),
    });
    let mut c = config(&[upstream.address]);
    c.access_log = Some(to(&path));
    let mut limited = route("limited", "s", &["limited"]);
    limited.rate = Some(Rate {
        burst: 1,
        ..Rate::of(0.001)
    });
    c.routes.push(limited);
    let running = Running::with(c);
    let mut client = running.client();
    client.send("GET /p?token=secret HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: t\"\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.get("/limited").status, 200);
    assert_eq!(client.get("/limited").status, 429);
    client.send("rubbish\r\n\r\n").answer();
    until("four lines", || lines(&path).len() >= 4);
    let all = lines(&path);
    let first = &all[0];
    assert_eq!(first["http.request.method"], "GET");
    assert_eq!(first["url.path"], "/p");
    assert_eq!(first["url.query"], "REDACTED");
    assert_eq!(first["server.address"], "shop.test");
    assert_eq!(first["user_agent.original"], "t\"");
    assert_eq!(first["plimsoll.route"], "all");
    assert_eq!(first["http.route"], "/{rest...}");
    assert_eq!(first["http.response.status_code"], 200);
    assert_eq!(first["client.address"], "127.0.0.1");
    assert_eq!(first["trace_id"].as_str().unwrap().len(), 32);
    let tries = first["plimsoll.attempts"].as_array().unwrap();
    let statuses: Vec<_> = tries.iter().map(|t| t["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(503), Some(200)]);
    let instance = format!("s/{}", upstream.address);
    assert_eq!(tries[1]["instance"], instance.as_str());
    assert_eq!(first["plimsoll.gates"][0]["gate"], "retry");
    assert_eq!(first["plimsoll.gates"][0]["decision"], "again");
    let took = first["http.server.request.duration"].as_f64().unwrap();
    assert!(took >= tries[1]["duration"].as_f64().unwrap());
    assert_eq!(all[2]["error.type"], "rate-limit");
    assert_eq!(all[2]["plimsoll.gates"][0]["decision"], "refused");
    assert_eq!(all[3]["http.response.status_code"], 400);
    assert!(!std::fs::read_to_string(&path).unwrap().contains("secret"));
    // They are counted after they are in the file.
    until("the count", || running.gateway.gauges().lines.written >= 4);
    assert_eq!(running.gateway.gauges().lines.written, 4);
}

#[test]
fn a_share_of_nothing_leaves_the_failures_and_a_reload_turns_it_off_and_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let upstream = Upstream::http(|head, _| match head.contains("/bad") {
        true => b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n".to_vec(),
        false => ok(b""),
    });
    let base = config(&[upstream.address]);
    let with = |log| {
        let mut c = base.clone();
        c.access_log = log;
        c
    };
    let failures = AccessLog {
        share: 0.0,
        slow: Duration::from_secs(60),
        ..to(&path)
    };
    let running = Running::with(with(None));
    let mut client = running.client();
    client.get("/bad");
    running
        .gateway
        .apply(generation(2, with(Some(failures.clone()))));
    for target in ["/good", "/bad", "/good"] {
        client.get(target);
    }
    until("a line", || !lines(&path).is_empty());
    running.gateway.apply(generation(3, with(None)));
    client.get("/bad");
    running.gateway.apply(generation(4, with(Some(failures))));
    client.get("/bad?last");
    until("the last line", || {
        lines(&path).iter().any(|l| l.get("url.query").is_some())
    });
    assert_eq!(lines(&path).len(), 2, "{:?}", lines(&path));
}

#[test]
fn a_moved_file_is_opened_anew_by_itself_and_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let [path, old] = ["access.log", "access.log.1"].map(|n| dir.path().join(n));
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.access_log = Some(to(&path));
    let running = Running::with(c);
    let mut client = running.client();
    for asked in [false, true] {
        client.get("/before");
        until("a line", || lines(&path).len() == 1);
        std::fs::rename(&path, &old).unwrap();
        if asked {
            running.gateway.reopen_access_log();
        }
        until("the new file", || path.exists());
        client.get("/after");
        until("a line in it", || lines(&path).len() == 1);
        assert_eq!(lines(&path)[0]["url.path"], "/after");
        assert_eq!(lines(&old).len(), 1);
        std::fs::remove_file(&path).unwrap();
        running.gateway.reopen_access_log();
        until("an empty file", || path.exists());
    }
}

#[test]
fn a_reader_that_stands_still_costs_lines_and_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut reader: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path)
        .unwrap();
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.access_log = Some(to(&path));
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    let mut answered = 0;
    while running.gateway.gauges().lines.dropped == 0 {
        assert_eq!(client.get("/").status, 200);
        answered += 1;
        assert!(answered < 20_000, "the ring has a bound");
    }
    // Read again, and lines come again.
    let before = running.gateway.gauges().lines.written;
    let mut buffer = vec![0; 1 << 20];
    until("lines are written again", || {
        let _ = reader.read(&mut buffer);
        running.gateway.gauges().lines.written > before
    });
    // A pipe that nobody reads does not hold the end up.
    drop(reader);
    drop(running);
}

/// One traffic thread whose requests are kept when they fail, and nothing else is.
fn keeping(mut c: Config) -> (Running, rtrb::Consumer<Box<Details>>) {
    c.traces.share = 0.0;
    let options = Options {
        threads: Some(1),
        details: true,
        ..Options::default()
    };
    let mut running = Running::options(generation(1, c), options);
    let mut rings = running.gateway.take_details();
    assert_eq!(rings.len(), 1);
    (running, rings.remove(0))
}

#[test]
fn of_a_request_that_is_kept_path_client_and_decisions_are_told_before_its_sample() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::http(move |head, _| {
        match head.contains("/bad") || asked.fetch_add(1, SeqCst) == 0 {
            true => b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n".to_vec(),
            false => ok(b"hello"),
        }
    });
    let (mut running, mut told) = keeping(config(&[upstream.address]));
    let mut client = running.client();
    assert_eq!(client.get("/good?token=secret").status, 200);
    assert_eq!(client.get("/bad/1?token=secret").status, 503);
    let mut samples = running.samples(2);
    while samples
        .iter()
        .filter(|s| s.kind == SampleKind::Request)
        .count()
        < 2
    {
        samples.extend(running.samples(1));
    }
    // Who has seen the sample finds this there.
    let details = told.pop().unwrap();
    let of = |s: &&base::Sample| s.kind == SampleKind::Request && s.status == 503;
    let request = samples.iter().find(of).unwrap();
    assert_eq!((details.trace, details.span), (request.trace, request.span));
    assert_eq!((&*details.path, &*details.client), ("/bad/1", "127.0.0.1"));
    let again = Decided {
        gate: "retry",
        what: "again",
        attempt: 1,
    };
    assert_eq!(details.decisions[0], again);
    assert!(
        details.failures.is_empty(),
        "its status says it: {details:?}"
    );
    assert_eq!(details.decisions.last().unwrap().attempt, request.attempt);
    assert!(
        told.pop().is_err(),
        "of the good one nothing, though it was tried again"
    );
}

#[test]
fn how_a_try_failed_is_told_where_no_status_says_it() {
    // Whoever connects is sent away.
    let upstream = Upstream::start(drop);
    let (running, mut told) = keeping(config(&[upstream.address]));
    assert_eq!(running.client().get("/p").status, 502);
    let mut got = None;
    until("details", || {
        got = told.pop().ok();
        got.is_some()
    });
    let details = got.unwrap();
    assert_eq!(details.failure(1), "reset", "{details:?}");
    assert!(details.reason.starts_with("upstream-"), "{details:?}");
}

#[test]
fn a_gates_own_answer_and_the_caches_are_told_and_an_address_only_as_far_as_it_may_be() {
    let upstream = Upstream::http(|_, _| {
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nhi".to_vec()
    });
    let mut c = config(&[upstream.address]);
    let mut stored = route("stored", "s", &["stored"]);
    stored.cache = Some(Cache::default());
    // Everything is too slow.
    c.traces.slow = Some(Duration::from_nanos(1));
    c.routes.push(stored);
    let mut limited = route("limited", "s", &["limited"]);
    limited.rate = Some(Rate {
        burst: 1,
        ..Rate::of(0.001)
    });
    c.routes.push(limited);
    let base = c.clone();
    let (running, mut told) = keeping(c);
    let mut client = running.client();
    let mut next = |path: &str| {
        client.get(path);
        let mut got = None;
        until("details", || {
            got = told.pop().ok();
            got.is_some()
        });
        got.unwrap()
    };
    assert!(next("/stored").cache.contains("fwd=uri-miss"));
    let hit = next("/stored");
    assert!(hit.cache.starts_with("plimsoll; hit; ttl="), "{hit:?}");
    assert_eq!((hit.told().as_str(), hit.reason), ("", ""));
    next("/limited");
    let refused = next("/limited");
    assert_eq!(
        (refused.told().as_str(), refused.reason),
        ("rate: refused", "rate-limit")
    );
    let mut apply = |number, how| {
        let mut c = base.clone();
        c.traces.client = Some(how);
        running.gateway.apply(generation(number, c));
        next("/stored").client
    };
    let hashed = apply(2, ClientAddress::Hash);
    assert_eq!(hashed.len(), 16);
    assert_eq!(
        apply(3, ClientAddress::Hash),
        hashed,
        "one name for one client"
    );
    assert_eq!(&*apply(4, ClientAddress::Drop), "");
}

#[test]
fn a_full_ring_costs_details_and_no_request() {
    let upstream = Upstream::http(|_, _| b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n".to_vec());
    let (mut running, told) = keeping(config(&[upstream.address]));
    let mut client = running.client();
    let room = told.buffer().capacity();
    for _ in 0..room + 5 {
        assert_eq!(client.get("/bad").status, 500);
    }
    running.samples(room + 5);
    assert_eq!(told.slots(), room);
}
