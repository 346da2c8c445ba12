//! The access log over real sockets: what a line tells, which requests get one, and what happens when it is stuck.

mod common;

use common::*;
use config::sections::{AccessLog, LogTo, Rate};
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
