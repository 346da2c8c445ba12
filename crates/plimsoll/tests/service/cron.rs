//! Jobs by the calendar in the real binary: each time is one job, whenever it is killed.

use crate::messages::{message, service};
use crate::stage::{Stage, signal};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Embedded, Kv, Put};

const MINUTE: u64 = 60_000;
/// Times that nobody was there for.
const MISSED: u64 = 30;

/// Takes everything, and writes down the keys.
fn receive(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, _) = message(&mut stream)?;
        let key = head
            .lines()
            .find_map(|l| l.strip_prefix("Idempotency-Key: "));
        got.lock().unwrap().extend(key.map(str::to_owned));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.get_mut().write_all(answer).ok()?;
    }
}

fn json(stage: &Stage, args: &[&str]) -> Option<Value> {
    serde_json::from_slice(&stage.ask(&[args, &["--json"]].concat()).stdout).ok()
}

#[test]
fn each_time_is_one_job_whenever_it_is_killed() {
    let (at, got) = service(receive);
    let mut stage = Stage::new("");
    stage.instance = at;
    let config = "routes:\n  reports: { match: POST /reports, to: app, async: { when: always } }\n\
                  cron: { report: { schedule: '* * * * *', route: reports, path: /reports, missed: all } }";
    stage.write(&stage.config(config));
    let mut pid = stage.start();
    let settled = |s: &Stage| json(s, &["jobs", "cron"])?[0]["settled_ms"].as_u64();
    stage.wait("its beginning", settled);
    signal(pid, "KILL");
    stage.ended(pid);
    // As if nobody had been there for half an hour.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64;
    let began = (now / MINUTE - MISSED) * MINUTE;
    let store = Embedded::open(stage.path("data").join("queue.db")).unwrap();
    let mark = Put::new("cron/report", began.to_string().into_bytes());
    store.put(mark, now).wait().unwrap();
    drop(store);
    for _ in 0..3 {
        pid = stage.start();
        stage.wait("it to go on", |s| settled(s).filter(|ms| *ms > began));
        signal(pid, "KILL");
        stage.ended(pid);
    }
    stage.start();
    let done = |s: &Stage| {
        let jobs = json(
            s,
            &[
                "jobs", "list", "reports", "--state", "done", "--limit", "1000",
            ],
        )?;
        let titles = jobs
            .as_array()?
            .iter()
            .map(|j| j["request"].as_str().unwrap().to_owned());
        let titles: Vec<String> = titles.collect();
        (titles.len() as u64 >= MISSED).then_some(titles)
    };
    let titles = stage.wait("all of them", done);
    let unique: BTreeSet<&String> = titles.iter().collect();
    assert_eq!(unique.len(), titles.len(), "{titles:?}");
    // A minute may have begun meanwhile.
    assert!(titles.len() as u64 <= MISSED + 3, "{titles:?}");
    let keys: BTreeSet<String> = got.lock().unwrap().iter().cloned().collect();
    for n in 1..=MISSED {
        let key = format!("\"cron-report-{}\"", (began + n * MINUTE) / 1000);
        assert!(keys.contains(&key), "{key} of {keys:?}");
    }
}
