//! Requests that become jobs, through sockets: accepted only when on disk, delivered over the path, and what clients can ask.

use crate::common::*;
use base::learned::Use;
use base::{Learned, Protection};
use config::Config;
use config::sections::{Async, OnDead, PathTemplate, Segment, When};
use gateway::jobs::still::{self, Still};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use store::{Embedded, Kv, Queue, State};

/// A gateway whose route takes jobs, with its queue.
struct Stage {
    running: Running,
    store: Arc<Embedded>,
    _dir: tempfile::TempDir,
}

fn stage(upstream: SocketAddr, rules: Async) -> Stage {
    stage_with(upstream, rules, |_| {})
}

fn stage_with(upstream: SocketAddr, rules: Async, change: impl FnOnce(&mut Config)) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config(&[upstream]);
    c.routes[0].asynchronous = Some(rules);
    c.services[0].health.eject_after = 1000;
    change(&mut c);
    let running = Running::looking(c, 2);
    let store = Arc::new(Embedded::open(dir.path().join("queue.db")).unwrap());
    running.gateway.jobs().set_queue(Some(store.clone()));
    Stage {
        running,
        store,
        _dir: dir,
    }
}

fn quick() -> Async {
    Async {
        backoff: Duration::from_millis(1),
        attempts: 3,
        ..Async::default()
    }
}

impl Stage {
    fn pause(&self, paused: bool) {
        let route = self.running.gateway.takes_jobs("all").unwrap();
        let still = paused.then_some(Still::Paused);
        still::set(&self.running.gateway.jobs(), &route, still, 1).unwrap();
    }

    fn post(&self, body: &str, headers: &str) -> Answer {
        let n = body.len();
        let request = format!(
            "POST /orders?a=1 HTTP/1.1\r\nHost: t\r\nContent-Length: {n}\r\n{headers}\r\n{body}"
        );
        self.running.client().send(request).answer()
    }

    /// Where the job is.
    fn accepted(&self, body: &str, headers: &str) -> String {
        let answer = self.post(body, &format!("Prefer: respond-async\r\n{headers}"));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Answer {
        self.running.client().get(path)
    }

    fn ends(&self, place: &str, state: State) -> Answer {
        let wanted = format!("\"state\":\"{}\"", state.name());
        let mut last = None;
        until(&wanted, || {
            let answer = self.get(place);
            let there = answer.text().contains(&wanted);
            last = Some(answer);
            there
        });
        last.unwrap()
    }
}

#[test]
fn a_request_is_answered_before_it_is_done_and_its_result_is_kept() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heads = seen.clone();
    let upstream = Upstream::http(move |head, body| {
        heads.lock().unwrap().push(head.to_owned());
        let text = [b"made of ", body].concat();
        let n = text.len();
        let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {n}\r\nX-Order: 7\r\n\r\n");
        [head.as_bytes(), &text].concat()
    });
    let s = stage(upstream.address, quick());
    let answer = s.post("wood", "Prefer: respond-async\r\nCookie: c=1\r\n");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert!(answer.header("retry-after").is_some());
    let place = answer.header("location").unwrap();
    let done = s.ends(place, State::Done);
    assert_eq!(done.status, 303);
    let result = s.get(done.header("location").unwrap());
    assert_eq!((result.status, result.text()), (201, "made of wood".into()));
    assert_eq!(result.header("x-order"), Some("7"));
    let head = seen.lock().unwrap()[0].clone();
    assert!(head.starts_with("POST /orders?a=1 "), "{head}");
    let id = place.rsplit('/').next().unwrap();
    assert_eq!(header(&head, "plimsoll-job-id"), Some(id));
    assert_eq!(header(&head, "plimsoll-job-attempt"), Some("1"));
    assert_eq!(
        header(&head, "idempotency-key"),
        Some(format!("\"{id}\"").as_str())
    );
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&head, "cookie"), Some("c=1"));
    assert_eq!(header(&head, "prefer"), None);
    // Who does not ask for it waits as ever, also while others do not.
    assert_eq!(s.post("x", "").status, 201);
    assert_eq!(
        s.running
            .client()
            .send(format!("DELETE {place} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .answer()
            .status,
        409
    );
}

/// What one job uses and holds, as a model would have learned it.
fn learned(seconds: f64) -> Learned {
    let of = |share| Use {
        seconds,
        share,
        life: 0.2,
        error: 0.1,
    };
    let protection = Protection {
        service: "s".into(),
        servers: 4.0,
        mean: of(0.5),
        routes: vec![("all".into(), of(0.25))],
        confidence: 1.0,
        ..Protection::default()
    };
    Learned {
        services: vec![protection],
    }
}

/// Answers while it is open, which is to be said.
fn gated() -> (Upstream, impl Fn(bool)) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let open = gate.clone();
    let upstream = Upstream::http(move |_, _| {
        let held = open.0.lock().unwrap();
        drop(open.1.wait_while(held, |open| !*open).unwrap());
        ok(b"done")
    });
    let set = move |open: bool| {
        *gate.0.lock().unwrap() = open;
        gate.1.notify_all();
    };
    (upstream, set)
}

#[test]
fn an_estimate_is_of_the_demand_where_one_is_known() {
    let (upstream, set) = gated();
    let rules = Async {
        concurrency: 2,
        ..quick()
    };
    let s = stage(upstream.address, rules);
    let job = |place: &str| -> Value { serde_json::from_slice(&s.get(place).body).unwrap() };
    let by = |place: &str, basis: &str| {
        until(basis, || job(place)["eta_basis"] == basis);
        job(place)
    };
    let first = s.accepted("0", "");
    let told = by(&first, "nothing");
    assert!(told["eta_s"].is_null(), "{told}");
    set(true);
    s.ends(&first, State::Done);
    set(false);
    s.running.gateway.learn(&learned(0.05));
    let all: Vec<String> = (0..20).map(|n| s.accepted(&n.to_string(), "")).collect();
    until("two under way", || {
        all[..2].iter().all(|p| job(p)["state"] == "leased")
    });
    let last = &all[19];
    // Two at once for 0.2 s each: 10/s. Below the line is room for 56/s.
    let told = by(last, "demand");
    assert_eq!(told["eta_s"], 2.0, "{told}");
    let (low, high) = (&told["eta_low_s"], &told["eta_high_s"]);
    let spread = 1.0 + 2.0 * (0.01f64 + 1.0 / 20.0).sqrt();
    let near = |told: &Value, s: f64| (told.as_f64().unwrap() - s).abs() < 0.002;
    assert!(
        near(low, 2.0 / spread) && near(high, 2.0 * spread),
        "{told}"
    );
    assert_eq!(s.get(last).header("retry-after"), Some("2"));
    // Dearer: 5.6 permits of half a server are free, and each takes a second of one.
    s.running.gateway.learn(&learned(1.0));
    until("the dearer demand", || {
        near(&job(last)["eta_s"], 20.0 / 2.8)
    });
    s.running.gateway.learn(&Learned::default());
    by(last, "rate");
    set(true);
    for place in &all {
        s.ends(place, State::Done);
    }
}

#[test]
fn who_waits_gets_the_result_itself() {
    let upstream = Upstream::echo();
    let s = stage(
        upstream.address,
        Async {
            when: When::Always,
            ..quick()
        },
    );
    let answer = s.post("hello", "Prefer: wait=10\r\n");
    assert_eq!(answer.status, 200);
    assert!(answer.text().ends_with("hello"), "{}", answer.text());
    let chunked = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nPrefer: wait=10\r\n\r\n";
    let mut client = s.running.client();
    assert_eq!(client.send(chunked).try_answer(false).unwrap().status, 100);
    let answer = client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").answer();
    assert!(answer.text().ends_with("abcde"), "{}", answer.text());
    // The connection goes on.
    assert_eq!(client.get("/x").status, 202);
}

#[test]
fn failures_are_tried_again_and_what_cannot_succeed_is_dead() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    let upstream = Upstream::http(move |head, _| {
        let n = asked.fetch_add(1, SeqCst);
        let status = match head.contains("x-bad") {
            true => "422 No",
            false if n < 2 => "503 Later",
            false => "200 OK",
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\nRetry-After: 0\r\n\r\nwhy").into_bytes()
    });
    let s = stage(upstream.address, quick());
    let place = s.accepted("a", "");
    s.ends(&place, State::Done);
    assert_eq!(
        count.load(SeqCst),
        3,
        "the queue tries again, and nobody else"
    );
    let place = s.accepted("a", "x-bad: 1\r\n");
    let dead = s.ends(&place, State::Dead);
    assert!(dead.text().contains("status 422"), "{}", dead.text());
    assert_eq!(s.store.lanes().unwrap()[0].dead, 1);
}

#[test]
fn no_attempt_is_burned_while_nobody_listens() {
    let listen = |at: SocketAddr| std::net::TcpListener::bind(at).unwrap();
    let address = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();
    let s = stage(address, quick());
    let place = s.accepted("a", "");
    until("three deliveries that nobody took", || {
        s.running
            .gateway
            .job_lanes()
            .iter()
            .any(|l| l.reason == "held")
    });
    let id = place.rsplit('/').next().unwrap().parse().unwrap();
    until("the reason", || {
        s.store
            .job(id)
            .unwrap()
            .unwrap()
            .reason
            .contains("not sent")
    });
    assert_eq!(s.store.job(id).unwrap().unwrap().attempts, 0);
    let _back = Upstream::on(listen(address), |mut stream| {
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).is_some() {
            use std::io::Write;
            stream.write_all(&ok(b"back")).unwrap();
        }
    });
    s.ends(&place, State::Done);
    assert_eq!(s.store.job(id).unwrap().unwrap().attempts, 1);
}

#[test]
fn keys_are_in_order_and_pauses_hold() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (bodies, busy) = (seen.clone(), Arc::new(AtomicBool::new(false)));
    let upstream = Upstream::http(move |_, body| {
        if busy.swap(true, SeqCst) {
            bodies.lock().unwrap().push("two of one key at once".into());
        }
        bodies
            .lock()
            .unwrap()
            .push(String::from_utf8_lossy(body).into_owned());
        busy.store(false, SeqCst);
        ok(b"")
    });
    let rules = Async {
        order_by: Some("x-customer".into()),
        ..quick()
    };
    let s = stage(upstream.address, rules);
    assert_eq!(s.running.gateway.takes_jobs("none"), None);
    s.pause(true);
    let places: Vec<String> = (0..20)
        .map(|n| s.accepted(&n.to_string(), "X-Customer: c\r\n"))
        .collect();
    assert_eq!(s.running.gateway.job_lanes()[0].reason, "paused");
    assert!(seen.lock().unwrap().is_empty());
    let cancel = format!("DELETE {} HTTP/1.1\r\nHost: t\r\n\r\n", places[7]);
    assert_eq!(s.running.client().send(cancel).answer().status, 200);
    s.pause(false);
    s.ends(&places[19], State::Done);
    let expected: Vec<String> = (0..20).filter(|n| *n != 7).map(|n| n.to_string()).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    assert!(s.get(&places[7]).text().contains("cancelled"));
}

#[test]
fn what_cannot_be_kept_is_never_accepted() {
    let upstream = Upstream::echo();
    let s = stage(
        upstream.address,
        Async {
            jobs: 2,
            body: 100,
            ..quick()
        },
    );
    s.pause(true);
    let large = s.post(&"x".repeat(101), "Prefer: respond-async\r\n");
    assert_eq!((large.status, large.reason()), (413, "job-size"));
    let late = s.post(
        "",
        "Prefer: respond-async\r\nPlimsoll-Deliver-At: tomorrow\r\n",
    );
    assert_eq!((late.status, late.reason()), (400, "deliver-at"));
    s.accepted("a", "");
    s.accepted("b", "");
    let full = s.post("c", "Prefer: respond-async\r\n");
    assert_eq!((full.status, full.reason()), (503, "job-refused"));
    assert!(full.text().contains("at most 2 jobs") && full.header("retry-after").is_some());
    s.running.gateway.jobs().set_queue(None);
    let none = s.post("d", "Prefer: respond-async\r\n");
    assert_eq!((none.status, none.reason()), (503, "no-queue"));
    assert_eq!(s.post("e", "").status, 200, "others do not need the queue");
    let unknown = s.get("/.plimsoll/jobs/1-00000000000000000000000000000000");
    assert_eq!(unknown.status, 503);
    s.running.gateway.jobs().set_queue(Some(s.store.clone()));
    let unknown = s.get("/.plimsoll/jobs/1-00000000000000000000000000000000");
    assert_eq!(unknown.status, 404, "a place without its secret is nothing");
}

#[test]
fn a_slow_receiver_is_cut_off_and_counted() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        // It takes the request and never answers.
        while read_request(&mut stream, &mut buffer).is_some() {}
    });
    let rules = Async {
        timeout: Duration::from_millis(50),
        attempts: 2,
        ..quick()
    };
    let s = stage(upstream.address, rules);
    let place = s.accepted("a", "");
    let dead = s.ends(&place, State::Dead);
    assert!(
        dead.text().contains("no answer in time at the last of 2"),
        "{}",
        dead.text()
    );
}

#[test]
fn a_job_is_business_once_it_is_done_and_not_when_it_is_accepted() {
    let upstream = Upstream::http(|_, _| {
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"total\": 4}".to_vec()
    });
    let total = config::sections::Measure {
        term: config::sections::Term::Json("/total".into()),
        ..config::sections::Measure::named("total")
    };
    let dir = tempfile::tempdir().unwrap();
    let mut c = config(&[upstream.address]);
    c.routes[0].asynchronous = Some(quick());
    c.routes[0].business = vec![total];
    let running = Running::looking(c, 2);
    let store = Arc::new(Embedded::open(dir.path().join("queue.db")).unwrap());
    running.gateway.jobs().set_queue(Some(store.clone()));
    let stage = Stage {
        running,
        store,
        _dir: dir,
    };
    let place = stage.accepted("x", "");
    stage.ends(&place, State::Done);
    let all = stage.running.gateway.business();
    assert_eq!(
        (all.len(), all[0].added_micro, all[0].counted),
        (1, 4_000_000, 1)
    );
}

#[test]
fn a_service_that_is_gone_is_sent_nothing_more_until_somebody_says_so() {
    let (asked, gone) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(true)),
    );
    let (count, is_gone) = (asked.clone(), gone.clone());
    let upstream = Upstream::http(move |_, _| {
        count.fetch_add(1, SeqCst);
        match is_gone.load(SeqCst) {
            true => b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".to_vec(),
            false => ok(b"back"),
        }
    });
    let s = stage_with(upstream.address, quick(), |c| {
        let segments = vec![Segment::Literal("orders".into())];
        c.routes[0].matcher.path = PathTemplate { segments };
    });
    let place = s.accepted("a", "");
    assert!(s.ends(&place, State::Dead).text().contains("410"));
    let later = s.accepted("b", "");
    let kept = s.store.get("jobs/paused/all", 1).unwrap().unwrap();
    assert!(kept.value.starts_with(b"the service says that it is gone"));
    let shown = s.running.gateway.job_lanes().remove(0);
    assert_eq!(shown.reason, "disabled");
    assert!(
        shown.detail.contains("gone (status 410)"),
        "{}",
        shown.detail
    );
    assert_eq!(asked.load(SeqCst), 1);
    gone.store(false, SeqCst);
    s.pause(false);
    s.ends(&later, State::Done);
    assert_eq!(asked.load(SeqCst), 2);
    // Of a route with many paths one of them is gone.
    gone.store(true, SeqCst);
    let s = stage(upstream.address, quick());
    for body in ["a", "b"] {
        let place = s.accepted(body, "");
        s.ends(&place, State::Dead);
    }
    assert_eq!(s.running.gateway.job_lanes()[0].detail, "");
}

#[test]
fn a_dead_job_holds_up_those_behind_it_where_order_is_all() {
    let upstream = Upstream::http(|_, body| match body {
        b"bad" => b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => ok(b""),
    });
    let rules = Async {
        order_by: Some("x-customer".into()),
        on_dead: OnDead::Block,
        ..quick()
    };
    let s = stage(upstream.address, rules);
    let bad = s.accepted("bad", "X-Customer: c\r\n");
    let next = s.accepted("good", "X-Customer: c\r\n");
    s.ends(&bad, State::Dead);
    let other = s.accepted("good", "X-Customer: d\r\n");
    s.ends(&other, State::Done);
    assert!(s.get(&next).text().contains("behind"));
    let id = bad.rsplit('/').next().unwrap().parse().unwrap();
    assert!(s.store.discard(id, "enough", 1).wait().unwrap());
    s.running.gateway.jobs().news.notify_one();
    s.ends(&next, State::Done);
}

#[test]
fn a_job_that_cannot_be_done_in_its_time_is_not_accepted() {
    let (upstream, set) = gated();
    let rules = Async {
        concurrency: 1,
        ttl: Duration::from_secs(20),
        ..quick()
    };
    let s = stage(upstream.address, rules);
    // One at a time for 0.2 s each, by what the model knows: 5/s.
    s.running.gateway.learn(&learned(0.05));
    let mut all: Vec<String> = (0..10).map(|n| s.accepted(&n.to_string(), "")).collect();
    // Those that are put off stand before nobody.
    let later = "Prefer: respond-async\r\nPlimsoll-Deliver-At: 4000000000\r\n";
    assert_eq!(
        s.post("", later).reason(),
        "deliver-at",
        "more than 30 days"
    );
    let tomorrow = (s.running.gateway.jobs_now_ms() / 1000 + 86_400).to_string();
    for _ in 0..400 {
        s.accepted("", &format!("Plimsoll-Deliver-At: {tomorrow}\r\n"));
    }
    let depth = || s.running.gateway.jobs().depth("all");
    until("it is known how many there are", || depth() == 410);
    all.push(s.accepted("", ""));
    // They are counted about once a second: accepted until it is seen that they are too many.
    let mut late = None;
    until("one is too late", || {
        let answer = s.post("x", "Prefer: respond-async\r\n");
        match answer.status {
            202 => all.push(answer.header("location").unwrap().to_owned()),
            _ => late = Some(answer),
        }
        late.is_some()
    });
    let late = late.unwrap();
    assert_eq!((late.status, late.reason()), (503, "job-too-late"));
    assert!(
        late.text().contains("within 20 s (`ttl`)"),
        "{}",
        late.text()
    );
    let after: u64 = late.header("retry-after").unwrap().parse().unwrap();
    // At 5/s, and none is late of as many as are done in its 20 s.
    let most = all.len() as u64 / 5;
    assert!(most > 20, "{most}");
    assert!((1..=most - 20).contains(&after), "{after} of {most}");
    // Tomorrow there is room.
    s.accepted("", &format!("Plimsoll-Deliver-At: {tomorrow}\r\n"));
    set(true);
    s.ends(&all[10], State::Done);
}
