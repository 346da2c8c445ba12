//! A request with a key is done once: repeated, at once, by others, with a store that is away, and with clients that go.

use crate::common::*;
use config::sections::{Async, Idempotency, Replay, StoreDown};
use gateway::state::Lent;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::embedded::Relaxed;
use store::{Embedded, Kv, Queue};

struct Stage {
    running: Running,
    store: Arc<Embedded>,
    dir: tempfile::TempDir,
}

pub fn lend(running: &Running, store: &Arc<Embedded>) {
    running.gateway.state().lend(Some(Lent {
        durable: store.clone(),
        relaxed: Arc::new(Relaxed(store.clone())),
        alone: true,
    }));
}

fn stage_with(upstream: SocketAddr, change: impl FnOnce(&mut config::Config)) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config(&[upstream]);
    c.routes[0].idempotency = Some(Idempotency::default());
    c.services[0].health.eject_after = 1000;
    change(&mut c);
    let running = Running::looking(c, 2);
    let store = Arc::new(Embedded::open(dir.path().join("state.db")).unwrap());
    lend(&running, &store);
    Stage {
        running,
        store,
        dir,
    }
}

fn stage(upstream: SocketAddr, rules: Idempotency) -> Stage {
    stage_with(upstream, |c| c.routes[0].idempotency = Some(rules))
}

fn request(method: &str, path: &str, key: &str, body: &str) -> String {
    let n = body.len();
    let key = match key {
        "" => String::new(),
        key => format!("Idempotency-Key: {key}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: t\r\n{key}Content-Length: {n}\r\n\r\n{body}")
}

impl Stage {
    fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        let request = request(method, path, key, body);
        self.running.client().send(request).answer()
    }

    fn post(&self, key: &str, body: &str) -> Answer {
        self.send("POST", "/pay", key, body)
    }

    fn said(&self, key: &str) -> (u16, String) {
        let answer = self.post(key, "x");
        (answer.status, answer.reason().to_owned())
    }
}

/// Numbers what it is asked; `/fail` fails, `/large` is large.
fn counting() -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |head, _| {
        let n = count.fetch_add(1, SeqCst) + 1;
        let (status, body) = match head.split(' ').nth(1) {
            Some("/fail") => ("500 No", String::new()),
            Some("/none") => ("204 Done", String::new()),
            Some("/large") => ("200 OK", "x".repeat(1000)),
            _ => ("201 Created", format!("number {n}")),
        };
        let length = match status {
            "204 Done" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        format!("HTTP/1.1 {status}\r\n{length}X-Number: {n}\r\n\r\n{body}").into_bytes()
    });
    (upstream, asked)
}

/// Says when a request has come, and answers when it is let.
fn waiting() -> (Upstream, Receiver<String>, Sender<()>) {
    let (came, comes) = channel();
    let (go, let_go) = channel();
    let (came, let_go) = (Mutex::new(came), Mutex::new(let_go));
    let upstream = Upstream::http(move |_, body| {
        let body = String::from_utf8_lossy(body).into_owned();
        let answer = ok(format!("did {body}").as_bytes());
        let _ = came.lock().unwrap().send(body);
        let _ = let_go.lock().unwrap().recv();
        answer
    });
    (upstream, comes, go)
}

#[test]
fn a_repeated_key_gets_the_answer_of_the_first() {
    let (upstream, asked) = counting();
    let s = stage(upstream.address, Idempotency::default());
    let first = s.post("\"k\"", "x");
    let again = s.post("\"k\"", "x");
    assert_eq!((first.status, first.text()), (201, "number 1".into()));
    assert_eq!((again.status, again.text()), (201, "number 1".into()));
    assert_eq!(again.header("x-number"), Some("1"));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.header("idempotency-replayed"), None);
    // Answers without a body, too.
    let empty = [(); 2].map(|()| s.send("PATCH", "/none", "\"n\"", "x"));
    assert_eq!(empty[1].header("x-number"), empty[0].header("x-number"));
    assert_eq!(empty[1].status, 204);
    // Another payload, method or path is another request, and none to do.
    for other in [
        s.post("\"k\"", "y"),
        s.send("PUT", "/pay", "\"k\"", "x"),
        s.send("POST", "/pay?a", "\"k\"", "x"),
    ] {
        assert_eq!(
            (other.status, other.reason()),
            (422, "idempotency-mismatch")
        );
    }
    assert_eq!(asked.load(SeqCst), 2);
    assert_eq!(s.post("\"other\"", "x").text(), "number 3");
    // Without a key, and where nothing is changed, it is as ever.
    assert_eq!(s.post("", "x").text(), "number 4");
    assert_eq!(s.send("GET", "/pay", "\"k\"", "").text(), "number 5");
}

#[test]
fn keys_outlive_the_process_and_a_new_generation() {
    let (upstream, _) = counting();
    let Stage {
        running,
        store,
        dir,
    } = stage(upstream.address, Idempotency::default());
    let ask = |running: &Running| {
        running
            .client()
            .send(request("POST", "/pay", "\"k\"", "x"))
            .answer()
    };
    let first = ask(&running);
    let mut c = config(&[upstream.address]);
    c.routes[0].idempotency = Some(Idempotency::default());
    running.gateway.apply(generation(2, c.clone()));
    assert_eq!(ask(&running).text(), first.text());
    running.gateway.state().lend(None);
    until("the store", || Arc::strong_count(&store) == 1);
    drop((running, store));
    let running = Running::looking(c, 1);
    let store = Arc::new(Embedded::open(dir.path().join("state.db")).unwrap());
    lend(&running, &store);
    assert_eq!(ask(&running).text(), first.text());
}

#[test]
fn what_is_missing_or_malformed_is_refused() {
    let (upstream, asked) = counting();
    let rules = Idempotency {
        required: true,
        body: 100,
        ..Idempotency::default()
    };
    let s = stage(upstream.address, rules);
    assert_eq!(s.said(""), (400, "idempotency-key-missing".into()));
    assert_eq!(s.said("8e03978e"), (400, "idempotency-key-syntax".into()));
    assert_eq!(s.said("\"\""), (400, "idempotency-key-syntax".into()));
    let two = s.said("\"a\"\r\nIdempotency-Key: \"b\"");
    assert_eq!(two, (400, "idempotency-key-syntax".into()));
    let large = s.post("\"k\"", &"x".repeat(101));
    assert_eq!((large.status, large.reason()), (413, "idempotency-size"));
    assert_eq!(asked.load(SeqCst), 0);
    // PUT and DELETE are idempotent as they are.
    assert_eq!(s.send("PUT", "/pay", "", "x").status, 201);
}

#[test]
fn two_at_once_are_one() {
    let (upstream, comes, go) = waiting();
    let s = stage(upstream.address, Idempotency::default());
    let mut first = s.running.client();
    first.send(request("POST", "/pay", "\"k\"", "x"));
    comes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(s.said("\"k\""), (409, "idempotency-in-progress".into()));
    let other = s.post("\"k\"", "y");
    assert_eq!(
        (other.status, other.reason()),
        (422, "idempotency-mismatch")
    );
    go.send(()).unwrap();
    assert_eq!(first.answer().text(), "did x");
    let again = s.post("\"k\"", "x");
    assert_eq!((again.status, again.text()), (200, "did x".into()));
}

#[test]
fn what_failed_may_be_tried_again() {
    let (upstream, asked) = counting();
    let s = stage_with(upstream.address, |c| c.routes[0].retry.attempts = 3);
    for n in 1..3 {
        assert_eq!(s.send("POST", "/fail", "\"k\"", "x").status, 500);
        assert_eq!(asked.load(SeqCst), n);
    }
    // Nobody listens: nothing was sent.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let s = stage(address, Idempotency::default());
    for _ in 0..2 {
        assert_eq!(s.said("\"k\""), (502, "upstream-connect".into()));
    }
}

#[test]
fn a_client_that_goes_finds_its_answer_later() {
    let (upstream, comes, go) = waiting();
    let s = stage(upstream.address, Idempotency::default());
    let mut first = s.running.client();
    first.send(request("POST", "/pay", "\"k\"", "x"));
    comes.recv_timeout(PATIENCE).unwrap();
    first.hang_up();
    // Nothing shows that the gateway has seen it go; either way the request goes on.
    go.send(()).unwrap();
    let mut answer = None;
    until("the answer", || {
        let a = s.post("\"k\"", "x");
        let there = a.status == 200;
        assert!(
            there || a.reason() == "idempotency-in-progress",
            "{}",
            a.head
        );
        answer = Some(a);
        there
    });
    let answer = answer.unwrap();
    assert_eq!(answer.text(), "did x");
    assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    assert!(comes.try_recv().is_err(), "it was done once");
}

/// Takes requests, and hangs up on them.
fn breaking() -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::start(move |mut stream| {
        if read_request(&mut stream, &mut Vec::new()).is_some() {
            count.fetch_add(1, SeqCst);
        }
    });
    (upstream, asked)
}

#[test]
fn what_nobody_knows_is_not_done_again_unless_that_is_safe() {
    for (replay, times) in [(Replay::Unsafe, 1), (Replay::Safe, 2)] {
        let (upstream, asked) = breaking();
        let rules = Idempotency {
            replay,
            ..Idempotency::default()
        };
        let s = stage_with(upstream.address, |c| {
            c.routes[0].idempotency = Some(rules);
            // With `safe` the hinge may try again, too.
            c.routes[0].retry.attempts = 1;
        });
        assert_eq!(s.said("\"k\""), (502, "upstream-reset".into()));
        let again = s.said("\"k\"");
        match replay {
            Replay::Unsafe => assert_eq!(again, (409, "idempotency-unknown".into())),
            Replay::Safe => assert_eq!(again, (502, "upstream-reset".into())),
        }
        assert_eq!(asked.load(SeqCst), times);
    }
    // The hinge does not take a key for a promise of the service, either.
    let (upstream, asked) = breaking();
    let s = stage_with(upstream.address, |c| c.routes[0].retry.attempts = 3);
    assert_eq!(s.said("\"k\"").0, 502);
    assert_eq!(asked.load(SeqCst), 1);
}

#[test]
fn bounds_hold() {
    let (upstream, asked) = counting();
    let rules = Idempotency {
        answer: 999,
        keys: 2,
        keep: Duration::from_secs(3600),
        ..Idempotency::default()
    };
    let s = stage(upstream.address, rules);
    assert_eq!(s.send("POST", "/large", "\"l\"", "x").text().len(), 1000);
    let again = s.send("POST", "/large", "\"l\"", "x");
    assert_eq!(
        (again.status, again.reason()),
        (409, "idempotency-answer-not-kept")
    );
    assert!(again.text().contains("status 200"), "{}", again.text());
    assert_eq!(s.post("\"a\"", "x").status, 201);
    assert_eq!(s.said("\"b\""), (503, "idempotency-full".into()));
    // Those that are known are not refused for that.
    assert_eq!(
        s.post("\"a\"", "x").header("idempotency-replayed"),
        Some("true")
    );
    assert_eq!(asked.load(SeqCst), 2);
}

/// Asked again while the answer is on its way to disk, the key is not taken for one of which nobody knows.
#[test]
fn a_full_route_waits_for_the_answer_that_is_being_written() {
    let (upstream, comes, go) = waiting();
    let rules = Idempotency {
        keys: 1,
        ..Idempotency::default()
    };
    let s = stage(upstream.address, rules);
    let mut first = s.running.client();
    first.send(request("POST", "/pay", "\"a\"", "x"));
    comes.recv().unwrap();
    let disk = rusqlite::Connection::open(s.dir.path().join("state.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    go.send(()).unwrap();
    assert_eq!(first.answer().status, 200);
    let mut again = s.running.client();
    again.send(request("POST", "/pay", "\"a\"", "x"));
    // Time enough for a wrong answer; a right one cannot come before the disk is free.
    std::thread::sleep(Duration::from_millis(200));
    disk.execute_batch("ROLLBACK").unwrap();
    let answer = again.answer();
    assert_eq!(
        answer.header("idempotency-replayed"),
        Some("true"),
        "{}",
        answer.text()
    );
}

#[test]
fn without_a_store_the_route_says_what_happens() {
    for (store_down, status, times) in [(StoreDown::Refuse, 503, 0), (StoreDown::Pass, 201, 1)] {
        let (upstream, asked) = counting();
        let rules = Idempotency {
            store_down,
            ..Idempotency::default()
        };
        let s = stage(upstream.address, rules);
        s.running.gateway.state().lend(None);
        let answer = s.post("\"k\"", "x");
        assert_eq!((answer.status, asked.load(SeqCst)), (status, times));
        if status == 503 {
            assert_eq!(answer.reason(), "idempotency-store");
            assert!(
                answer.text().contains("was not sent") && answer.header("retry-after").is_some()
            );
        }
        assert_eq!(s.post("", "x").status, 201, "who has no key needs no store");
        lend(&s.running, &s.store);
        assert_eq!(
            s.post("\"k\"", "x").status,
            201,
            "it is back without a restart"
        );
    }
}

#[test]
fn keys_belong_to_tenants_and_routes() {
    let (upstream, _) = counting();
    let s = stage_with(upstream.address, |c| {
        c.identity = Some(config::sections::Identity {
            tenant: Some("x-tenant".into()),
            ..Default::default()
        });
        let mut other = route("other", "s", &["other"]);
        other.idempotency = Some(Idempotency::default());
        c.routes.insert(0, other);
    });
    let by = |tenant: &str, path: &str| {
        let key = format!("\"k\"\r\nX-Tenant: {tenant}");
        s.send("POST", path, &key, "x").text()
    };
    assert_eq!(by("a", "/pay"), "number 1");
    assert_eq!(by("b", "/pay"), "number 2");
    assert_eq!(by("a", "/pay"), "number 1");
    assert_eq!(by("a", "/other"), "number 3");
}

#[test]
fn a_repeated_key_names_the_same_job() {
    let (upstream, asked) = counting();
    let s = stage_with(upstream.address, |c| {
        c.routes[0].asynchronous = Some(Async::default());
    });
    let queue = Arc::new(Embedded::open(s.dir.path().join("queue.db")).unwrap());
    s.running.gateway.jobs().set_queue(Some(queue.clone()));
    let ask = |key: &str, body: &str| {
        let key = format!("{key}\r\nPrefer: respond-async");
        s.post(&key, body)
    };
    let first = ask("\"k\"", "x");
    let again = ask("\"k\"", "x");
    assert_eq!((first.status, again.status), (202, 202));
    assert!(first.header("location").is_some());
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(ask("\"k\"", "y").status, 422);
    assert_ne!(
        ask("\"j\"", "x").header("location"),
        first.header("location")
    );
    until("both deliveries", || asked.load(SeqCst) == 2);
    // A job that is not accepted leaves its key free.
    s.running.gateway.jobs().set_queue(None);
    assert_eq!(ask("\"n\"", "x").reason(), "no-queue");
    let bad = ask("\"n\"\r\nPlimsoll-Deliver-At: tomorrow", "x");
    assert_eq!(bad.reason(), "deliver-at");
    s.running.gateway.jobs().set_queue(Some(queue.clone()));
    assert_eq!(ask("\"n\"", "x").status, 202);
    // Who does not ask for a job is under the same keys.
    assert_eq!(s.post("\"k\"", "x").status, 202);
    until("the third", || asked.load(SeqCst) == 3);
    assert_eq!(queue.lanes().unwrap().len(), 1);
}

/// `kill -9` between a job and its key, as the files were then: before the job was on disk, and after.
#[test]
fn a_crash_before_the_key_names_its_job_makes_no_second_one() {
    let (upstream, _) = counting();
    let take_jobs = |c: &mut config::Config| c.routes[0].asynchronous = Some(Async::default());
    let s = stage_with(upstream.address, take_jobs);
    let [state, jobs] = ["state.db", "queue.db"].map(|name| s.dir.path().join(name));
    let queue = Arc::new(Embedded::open(&jobs).unwrap());
    s.running.gateway.jobs().set_queue(Some(queue.clone()));
    let hold = |file: &std::path::Path| {
        let disk = rusqlite::Connection::open(file).unwrap();
        disk.execute_batch("BEGIN IMMEDIATE").unwrap();
        disk
    };
    // The job cannot be written yet, and then its key cannot be.
    let held = hold(&jobs);
    let ask = || request("POST", "/pay", "\"k\"\r\nPrefer: respond-async", "x");
    let mut client = s.running.client();
    client.send(ask());
    until("the claim", || s.store.count("idem/", 0) == Ok(1));
    let held_too = hold(&state);
    let before = crashed(&state, &jobs);
    held.execute_batch("ROLLBACK").unwrap();
    until("the job", || {
        queue.lanes().unwrap().iter().any(|l| l.name == "all")
    });
    let after = crashed(&state, &jobs);
    held_too.execute_batch("ROLLBACK").unwrap();
    let first = client.answer();
    let place = first.header("location").unwrap();

    for (files, is_made) in [(before, false), (after, true)] {
        let open = |name: &str| Arc::new(Embedded::open(files.path().join(name)).unwrap());
        let (store, queue) = (open("state.db"), open("queue.db"));
        let mut c = config(&[upstream.address]);
        c.routes[0].idempotency = Some(Idempotency::default());
        take_jobs(&mut c);
        let running = Running::looking(c, 1);
        lend(&running, &store);
        running.gateway.jobs().set_queue(Some(queue.clone()));
        // Whether it asks for a job or not: the key has one.
        for request in [ask(), ask(), request("POST", "/pay", "\"k\"", "x")] {
            let again = running.client().send(request).answer();
            assert_eq!(again.status, 202, "{}", again.text());
            assert_eq!(again.header("location") == Some(place), is_made);
        }
        // Delivered meanwhile, a job is in one state and then in the next.
        let of = |state| queue.jobs("all", state, 0, 10).unwrap();
        let all = store::State::ALL.into_iter().flat_map(of);
        let all: BTreeSet<_> = all.map(|job| job.id).collect();
        assert_eq!(all.len(), 1, "{all:?}");
    }
}

/// Copies of the files of a process that would be killed now.
fn crashed(state: &std::path::Path, jobs: &std::path::Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (from, name) in [(state, "state.db"), (jobs, "queue.db")] {
        store::embedded::copy(from, &dir.path().join(name)).unwrap();
    }
    dir
}

/// Clients that send every request again and again, whatever they hear: each is done once, and all of its 2xx are one.
#[test]
fn whoever_repeats_gets_one_answer_and_one_effect() {
    let effects: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let seen = effects.clone();
    let upstream = Upstream::http(move |_, body| {
        let body = String::from_utf8_lossy(body).into_owned();
        let mut seen = seen.lock().unwrap();
        let n = seen.len();
        *seen.entry(body.clone()).or_default() += 1;
        ok(format!("{body} was {n}").as_bytes())
    });
    let s = stage(upstream.address, Idempotency::default());
    let answers: Mutex<BTreeMap<usize, Vec<String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (at, answers) = (s.running.gateway.address(), &answers);
            scope.spawn(move || {
                for i in 0..120 {
                    // Each in an order of its own, so that they meet on some keys.
                    let n = (i * (2 * client + 1)) % 30;
                    let asked = request(
                        "POST",
                        "/pay",
                        &format!("\"key {n}\""),
                        &format!("order {n}"),
                    );
                    let answer = Client::to(at).send(asked).answer();
                    match answer.status {
                        200 => answers
                            .lock()
                            .unwrap()
                            .entry(n)
                            .or_default()
                            .push(answer.text()),
                        409 => assert_eq!(answer.reason(), "idempotency-in-progress"),
                        _ => panic!("{}", answer.head),
                    }
                }
            });
        }
    });
    for (n, all) in answers.into_inner().unwrap() {
        assert!(all.iter().all(|a| *a == all[0]), "{n}: {all:?}");
        assert_eq!(effects.lock().unwrap()[&format!("order {n}")], 1);
    }
    assert_eq!(effects.lock().unwrap().len(), 30);
    assert_eq!(s.store.count("idem/", 0).unwrap(), 30);
}
