//! An outage pages, whoever is to be told hears of it across a kill -9, and what was counted is still known.

mod alertmanager;
pub mod receiver;
pub mod rules;

use self::receiver::Receiver;
use crate::stage::{Stage, signal};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY: &str = "R0UT1NGKEY";
const TEN_SECONDS: u64 = 10_000;

fn request(at: SocketAddr) {
    if let Ok(mut stream) = TcpStream::connect(at) {
        let _ = stream.write_all(b"GET /p HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fn slot() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
        / TEN_SECONDS
}

fn json(told: &str) -> Value {
    serde_json::from_str(told.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

const STEP: &str = "plimsoll runbook run home (first look: plimsoll diagnose)";

/// A team with somebody on call, its service, and two runbooks: one waits for the alert.
fn catalog(stage: &Stage) {
    let files = [
        ("services/app.yaml", "owner: pay\nrunbooks: [app]\n"),
        ("teams/pay.yaml", "members: [ana]\n"),
        (
            "on-call/pay.yaml",
            "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1w\n",
        ),
        ("runbooks/app.md", "# The service\n"),
        (
            "runbooks/home.md",
            "---\nalerts: [route-home-latency]\n---\n# Home\n```sh { name=look }\nplimsoll diagnose\n```\n",
        ),
    ];
    for (file, text) in files {
        let path = stage.path("catalog").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// A receiver knows whom to call and what to do first.
fn answers(owner: &Value, notes: &Value) {
    assert_eq!(
        (owner, &notes["on_call"], &notes["runbook_step"]),
        (&"pay".into(), &"ana".into(), &STEP.into()),
        "{notes}"
    );
}

/// The page has opened one incident, before the kill or after it, and tells its times and its timeline.
fn incident(stage: &Stage, alert: &str) {
    let shown = stage.wait("the incident", |s| {
        let out = s.ask(&["incident", "show", "--json"]);
        serde_json::from_slice::<Value>(&out.stdout).ok()
    });
    assert_eq!(
        (&shown["title"], &shown["service"], &shown["alert"]),
        (&"Outage of route home".into(), &"app".into(), &alert.into())
    );
    assert!(
        shown["detect_s"]
            .as_i64()
            .is_some_and(|s| (0..30).contains(&s)),
        "{shown}"
    );
    let timeline = shown["timeline"].as_array().unwrap();
    let told = |begin: &str| {
        let all = timeline.iter().filter_map(|h| h["text"].as_str());
        all.filter(|t| t.starts_with(begin)).count()
    };
    assert_eq!(told("alert: page: OUTAGE of route home"), 1, "{shown}");
    assert!(told("ledger: generation") > 0, "{shown}");
    let files = std::fs::read_dir(stage.path("catalog/incidents")).unwrap();
    assert_eq!(
        files.count(),
        1,
        "a kill and a second start opened no other"
    );
    let ack = stage.ask(&["incident", "ack"]);
    assert_eq!(ack.status.code(), Some(0));
    let page = stage.console_get("/incidents").unwrap();
    assert!(page.contains("Outage of route home"), "{page}");
}

#[test]
fn an_outage_is_told_once_the_receivers_listen_though_plimsoll_was_killed_meanwhile() {
    let receiver = Receiver::start(503);
    let at = receiver.at;
    let mut stage = Stage::new(&format!(
        "routes:\n  home:\n    match: GET /{{rest...}}\n    to: app\n    slo: {{ latency: 1s, target: 99.9% }}\n    \
         fault: {{ until: 2099-01-01T00:00:00Z, abort: 503 }}\n\
         catalog: ./catalog\nalerts:\n  alertmanager: {{ urls: ['http://{at}'] }}\n  \
         pagerduty: {{ routing_key: {{ file: key }}, url: 'http://{at}/pd' }}\n  webhook: {{ url: 'http://{at}/hook' }}\n"
    ));
    std::fs::write(stage.path("key"), KEY).unwrap();
    catalog(&stage);
    let first = stage.start();
    stage.wait("the first tries", |s| {
        request(s.listen);
        std::thread::sleep(Duration::from_millis(50));
        let tried = ["/pd", "/hook", "/api/v2/alerts"].map(|p| receiver.last(p));
        tried.iter().all(Option::is_some).then_some(())
    });
    let begun = slot();
    stage.wait("a slot that has closed", |s| {
        request(s.listen);
        std::thread::sleep(Duration::from_millis(100));
        let stored = s.console_get("/api/v1/slos").map(|t| json(&t));
        (slot() > begun && stored.is_some()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(1500));
    let before = json(&stage.console_get("/api/v1/alerts").unwrap());
    signal(first, "KILL");
    stage.ended(first);
    receiver.seen.lock().unwrap().clear();
    receiver.status.store(202, SeqCst);

    stage.start();
    let (page, event) = stage.wait("both to be told", |_| {
        Some((receiver.last("/hook")?, receiver.last("/pd")?))
    });
    assert_eq!(
        (&page["version"], &page["status"]),
        (&"4".into(), &"firing".into()),
        "{page}"
    );
    let summary = page["commonAnnotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("OUTAGE of route home:"), "{summary}");
    assert_eq!(
        (&event["event_action"], &event["routing_key"]),
        (&"trigger".into(), &KEY.into())
    );
    assert_eq!(
        event["dedup_key"], before[0]["id"],
        "it is the alert of before"
    );
    let told = stage.wait("the Alertmanager to be told", |_| {
        receiver.last("/api/v2/alerts")
    });
    assert_eq!(told[0]["labels"]["severity"], "page");
    let details = &event["payload"]["custom_details"];
    answers(&page["commonLabels"]["owner"], &page["commonAnnotations"]);
    answers(&told[0]["labels"]["owner"], &told[0]["annotations"]);
    answers(&details["owner"], details);
    assert_eq!(before[0]["step"], STEP, "{before}");

    incident(&stage, before[0]["id"].as_str().unwrap());

    let slos = json(&stage.console_get("/api/v1/slos").unwrap());
    assert!(
        slos[0]["answers"]["bad"].as_u64().unwrap() > 10,
        "counts survive: {slos}"
    );
    assert_eq!(slos[0]["page"], "firing");
    let shown = stage.ask(&["alerts"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("page FIRING since") && text.contains("OUTAGE of route home"),
        "{text}"
    );
    assert!(
        text.contains("owner: pay\n    on call: ana\n    runbook: ") && text.contains(STEP),
        "{text}"
    );
    let shown = stage.console_get("/slos").unwrap();
    for part in [
        "owner: pay",
        "on call: ana",
        STEP,
        "href=\"/catalog/runbooks/home\"",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let table = String::from_utf8_lossy(&stage.ask(&["slo"]).stdout).into_owned();
    assert!(
        table.contains("page firing") && table.contains("99.9 % good within"),
        "{table}"
    );
    let metrics = stage.console_get("/metrics").unwrap();
    assert!(metrics.contains("plimsoll_slo_bad_answers_total{objective=\"route-home-latency\""));
    rules::metrics(&metrics);
    let log = std::fs::read_to_string(stage.path("log")).unwrap();
    assert!(
        !format!("{log}{text}{slos}{before}").contains(KEY),
        "the key is never shown"
    );
}
