//! Requests that become events, through sockets: accepted only when on disk, known by their keys, and refused with a reason.

use crate::common::*;
use cloudevents::Event;
use config::sections::{Publish, Receiver, Subscription, Topic};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use store::{Embedded, Queue, Topics};

struct Stage {
    running: Running,
    store: Arc<Embedded>,
    /// Requests that reached the service, but for deliveries; and deliveries.
    asked: Arc<AtomicUsize>,
    hooks: Arc<AtomicUsize>,
    _upstream: Upstream,
    _dir: tempfile::TempDir,
}

fn stage(change: impl FnOnce(&mut Topic)) -> Stage {
    let (asked, hooks) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (asked.clone(), hooks.clone());
    let upstream = Upstream::http(move |head, _| {
        match head.starts_with("POST /hook ") {
            true => counts.1.fetch_add(1, SeqCst),
            false => counts.0.fetch_add(1, SeqCst),
        };
        ok(b"service")
    });
    let dir = tempfile::tempdir().unwrap();
    let mut c = config(&[upstream.address]);
    let mut topic = Topic::named("t");
    topic.size = 100;
    topic.subscriptions = vec![
        Subscription::named("pulled"),
        Subscription {
            to: Receiver::Service {
                service: "s".into(),
                path: "/hook".into(),
            },
            ..Subscription::named("pushed")
        },
    ];
    change(&mut topic);
    c.topics.push(topic);
    c.routes[0].publish = Some(Publish::to("t"));
    let running = Running::looking(c, 2);
    let store = Arc::new(Embedded::open(dir.path().join("queue.db")).unwrap());
    running.gateway.jobs().set_queue(Some(store.clone()));
    Stage {
        running,
        store,
        asked,
        hooks,
        _upstream: upstream,
        _dir: dir,
    }
}

impl Stage {
    fn post(&self, body: &str, headers: &str) -> Answer {
        let n = body.len();
        let request = format!(
            "POST /orders HTTP/1.1\r\nHost: t\r\nContent-Length: {n}\r\n{headers}\r\n{body}"
        );
        self.running.client().send(request).answer()
    }

    fn events(&self) -> Vec<Event> {
        let all = self.store.events("t", 0, 100).unwrap();
        let read =
            |m: store::topics::Message| Event::kept(&m.head, m.payload.read().unwrap()).unwrap();
        all.into_iter().map(read).collect()
    }

    fn waiting(&self, lane: &str) -> u64 {
        let lanes = self.store.lanes().unwrap();
        lanes
            .iter()
            .find(|l| l.name == lane)
            .map_or(0, |l| l.waiting)
    }
}

#[test]
fn a_request_is_an_event_for_everybody_before_it_is_accepted() {
    let s = stage(|_| {});
    let answer = s.post("data", "Content-Type: text/plain\r\n");
    // Without waiting for anything: that is what the answer says.
    let (events, waiting) = (s.events(), s.waiting("topics/t/pulled"));
    assert_eq!(
        (answer.status, events.len(), waiting),
        (202, 1, 1),
        "{}",
        answer.text()
    );
    let said: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    let event = &events[0];
    assert_eq!(
        (&said["id"], &said["position"]),
        (&event.id().into(), &1.into())
    );
    assert_eq!(
        (event.kind(), event.source()),
        ("plimsoll.all", "/routes/all")
    );
    assert_eq!(
        (event.content_type(), &event.data[..]),
        (Some("text/plain"), &b"data"[..])
    );
    until("a delivery", || s.hooks.load(SeqCst) == 1);
    assert_eq!(s.asked.load(SeqCst), 0, "the service is not asked");
    // What changes nothing goes on as ever.
    assert_eq!(s.running.client().get("/orders").text(), "service");
    let own = "ce-specversion: 1.0\r\nce-id: 7\r\nce-source: /shop\r\nce-type: placed\r\n";
    assert_eq!(s.post("{}", own).status, 202);
    let again = s.post("{}", own);
    assert!(
        again.status == 200 && again.text().contains("\"duplicate\":true"),
        "{}",
        again.text()
    );
    assert_eq!(s.events()[1].kind(), "placed");
}

#[test]
fn a_key_is_one_event() {
    let s = stage(|_| {});
    let key = "Idempotency-Key: \"k\"\r\n";
    let first = s.post("a", key);
    let again = s.post("a", key);
    assert_eq!((first.status, again.status), (202, 200));
    let id = |answer: &Answer| {
        let said: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        said["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id(&first), id(&again));
    let other = s.post("b", key);
    assert_eq!(
        (other.status, other.reason()),
        (422, "idempotency-mismatch")
    );
    assert_eq!(s.post("a", "Idempotency-Key: \"l\"\r\n").status, 202);
    assert_eq!(s.events().len(), 2);
    let bad = s.post("a", "Idempotency-Key: k\r\n");
    assert_eq!((bad.status, bad.reason()), (400, "idempotency-key-syntax"));
}

#[test]
fn what_is_not_kept_is_refused_with_a_reason() {
    let s = stage(|t| t.events = 2);
    let refused = |body: &str, headers: &str| {
        let answer = s.post(body, headers);
        (answer.status, answer.reason().to_owned())
    };
    let is = |status: u16, reason: &str| (status, reason.to_owned());
    assert_eq!(refused("x", "ce-specversion: 0.3\r\n"), is(400, "event"));
    assert_eq!(refused(&"x".repeat(101), ""), is(413, "topic-size"));
    let structured = "Content-Type: application/cloudevents+json\r\n";
    assert_eq!(refused("{", structured), is(400, "event"));
    let large = format!(
        r#"{{"specversion":"1.0","type":"a","data":"{}"}}"#,
        "x".repeat(101)
    );
    assert_eq!(refused(&large, structured), is(413, "topic-size"));
    // Nobody pulls: the third finds no room, and nobody is told that it is accepted.
    assert_eq!(s.post("1", "").status, 202);
    assert_eq!(s.post("2", "").status, 202);
    let full = s.post("3", "");
    assert_eq!((full.status, full.reason()), (503, "topic-full"));
    assert!(full.header("retry-after").is_some());
    assert_eq!(s.events().len(), 2);
    s.running.gateway.jobs().set_queue(None);
    assert_eq!(refused("4", ""), is(503, "topic-store"));
    assert_eq!(s.asked.load(SeqCst), 0);
}
