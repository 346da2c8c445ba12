//! The real Alertmanager takes our alerts, shows them, and passes on their end.

use super::receiver::Receiver;
use super::{json, request};
use crate::stage::Stage;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What it holds as active.
fn active(url: &str) -> Option<Value> {
    let at = url.strip_prefix("http://")?;
    let mut stream = TcpStream::connect(at).ok()?;
    let ask = "GET /api/v2/alerts?active=true HTTP/1.1\r\nHost: am\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    // In one piece: the list is short.
    let body = answer.split("\r\n\r\n").nth(1)?;
    serde_json::from_str(body.trim_matches(|c: char| c != '[' && c != ']')).ok()
}

#[test]
fn the_alertmanager_shows_an_outage_and_passes_on_its_end() {
    let receiver = Receiver::start(200);
    let started = peers::Alertmanager::start(&format!("http://{}/am", receiver.at));
    let Some(manager) = peers::there(started) else {
        return;
    };
    let config = |slo: &str| {
        format!(
            "routes:\n  home:\n    match: GET /{{rest...}}\n    to: app\n    {slo}\n    \
             fault: {{ until: 2099-01-01T00:00:00Z, abort: 503 }}\n\
             alerts: {{ alertmanager: {{ urls: ['{}'] }}, link: 'http://plimsoll.internal:9400' }}\n",
            manager.url()
        )
    };
    let mut stage = Stage::new(&config("slo: { latency: 1s, target: 99.9% }"));
    let pid = stage.start();
    let passed = stage.wait("the page to be passed on", |s| {
        request(s.listen);
        std::thread::sleep(Duration::from_millis(50));
        receiver.last("/am")
    });
    assert_eq!(passed["status"], "firing", "{passed}");
    let (labels, notes) = (&passed["commonLabels"], &passed["commonAnnotations"]);
    assert_eq!(
        (&labels["alertname"], &labels["severity"], &labels["route"]),
        (&"PlimsollSlo".into(), &"page".into(), &"home".into())
    );
    assert!(
        notes["summary"]
            .as_str()
            .unwrap()
            .starts_with("OUTAGE of route home"),
        "{notes}"
    );
    let shown = stage.wait("it to be shown", |_| {
        active(&manager.url()).filter(|all| all[0]["status"]["state"] == "active")
    });
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(
        shown[0]["generatorURL"], "http://plimsoll.internal:9400/slos",
        "{shown}"
    );

    // An objective that is given up ends its alerts at once.
    let given_up = stage.config(&config(""));
    stage.reload(pid, &given_up);
    let over = stage.wait("its end to be passed on", |_| {
        receiver.last("/am").filter(|p| p["status"] == "resolved")
    });
    assert!(
        over["commonAnnotations"]["summary"]
            .as_str()
            .unwrap()
            .starts_with("over after"),
        "{over}"
    );
    let gone = stage.wait("it to be gone", |_| active(&manager.url()));
    assert_eq!(gone.as_array().unwrap().len(), 0, "{gone}");
    let ours = json(&stage.console_get("/api/v1/alerts").unwrap());
    assert_eq!(ours[0]["state"], "resolved");
}
