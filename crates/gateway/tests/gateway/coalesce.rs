//! Many equal requests at once, through sockets: one to the instance when the answer can be shared, and no wait when not.

use crate::common::*;
use gateway::Gateway;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Closed until it is opened.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn wait(&self) {
        let open = self.0.lock().unwrap();
        let passed = self.1.wait_timeout_while(open, PATIENCE, |open| !*open);
        assert!(!passed.unwrap().1.timed_out(), "the door was never opened");
    }
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

/// An upstream that counts what it is asked and answers the nth request, from 0, when `answer` does.
fn upstream(
    answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |_, _| answer(count.fetch_add(1, SeqCst)));
    (upstream, asked)
}

fn cached(upstream: &Upstream) -> config::Config {
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(config::sections::Cache {
        ttl: None,
        stale_while_revalidate: None,
        size: 1 << 20,
        max_body: 1 << 16,
        ..Default::default()
    });
    c.routes[0].retry.attempts = 1;
    c
}

fn answer(control: &str, body: &str) -> Vec<u8> {
    let n = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nCache-Control: {control}");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// A thousand clients and their other ends are more files than a process may open by default.
fn many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// `n` clients that ask at once.
fn crowd(n: usize, address: SocketAddr) -> Vec<JoinHandle<Answer>> {
    let ask = move || Client::to(address).get("/p");
    let small = || std::thread::Builder::new().stack_size(128 << 10);
    (0..n).map(|_| small().spawn(ask).unwrap()).collect()
}

fn open(gateway: &Gateway) -> u32 {
    gateway.open_requests().iter().map(|r| r.1).sum()
}

fn decided(running: &Running, what: &str) -> u64 {
    let all = running.gateway.gauges().decisions;
    let found = all.iter().find(|d| d.gate == "coalesce" && d.what == what);
    found.expect("the tally").count
}

#[test]
fn a_thousand_at_once_on_an_expired_key_are_one_request_on_all_cores() {
    many_files();
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |n| match n {
        0 => answer("max-age=1", "old"),
        _ => {
            closed.wait();
            answer("max-age=60", "new")
        }
    });
    let running = Running::with(cached(&upstream));
    assert_eq!(running.client().get("/p").text(), "old");
    // Nobody gets the old one any more when one who asks for nothing but it gets none.
    let only = "GET /p HTTP/1.1\r\nHost: t\r\nCache-Control: only-if-cached\r\n\r\n";
    let mut client = running.client();
    until("its end", || client.send(only).answer().status == 504);
    let all = crowd(1000, running.gateway.address());
    until("all of them", || open(&running.gateway) == 1000);
    let connections = running.gateway.gauges().connections;
    assert!(
        connections.iter().all(|n| *n > 100),
        "on both threads: {connections:?}"
    );
    door.open();
    let mut shared = 0;
    for one in all {
        let a = one.join().unwrap();
        assert_eq!((a.status, a.text().as_str()), (200, "new"));
        shared += a
            .header("cache-status")
            .is_some_and(|s| s.contains("; collapsed")) as u32;
    }
    assert_eq!((asked.load(SeqCst), shared), (2, 999));
    assert_eq!(decided(&running, "shared"), 999);
}

#[test]
fn what_cannot_be_stored_is_waited_for_once_and_then_never() {
    let together = Arc::new(AtomicUsize::new(0));
    let (now, most) = (together.clone(), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |n| {
        seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        if n > 0 {
            closed.wait();
        }
        now.fetch_sub(1, SeqCst);
        answer("no-store", "mine")
    });
    let running = Running::with(cached(&upstream));
    assert_eq!(running.client().get("/p").status, 200);
    let all = crowd(40, running.gateway.address());
    until("all of them at the instance", || asked.load(SeqCst) == 41);
    door.open();
    assert!(all.into_iter().all(|one| one.join().unwrap().status == 200));
    assert_eq!(most.load(SeqCst), 40, "none waited for another");
    assert_eq!(decided(&running, "alone"), 40);
}

#[test]
fn who_leaves_takes_nobody_along() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |n| {
        if n == 1 {
            closed.wait();
        }
        answer("max-age=60", "x")
    });
    // The first answer never comes as long as its client waits.
    let blocked = Upstream::start({
        let to = upstream.address;
        move |mut s| {
            let mut buffer = Vec::new();
            while let Some((head, _)) = read_request(&mut s, &mut buffer) {
                if head.contains("X-Slow") {
                    let _ = std::io::Read::read(&mut s, &mut [0; 1]);
                    return;
                }
                let body = Client::to(to).get("/").body;
                let _ = std::io::Write::write_all(
                    &mut s,
                    &answer("max-age=60", std::str::from_utf8(&body).unwrap()),
                );
            }
        }
    });
    let running = Running::with(cached(&blocked));
    let mut leader = running.client();
    leader.send("GET /p HTTP/1.1\r\nHost: t\r\nX-Slow: 1\r\n\r\n");
    until("the leader", || blocked.connections.load(SeqCst) == 1);
    let mut follower = running.client();
    follower.send("GET /p HTTP/1.1\r\nHost: t\r\n\r\n");
    until("a follower", || open(&running.gateway) == 2);
    follower.hang_up();
    until("its end", || open(&running.gateway) == 1);
    let rest = crowd(20, running.gateway.address());
    until("the rest", || open(&running.gateway) == 21);
    assert_eq!(asked.load(SeqCst), 0, "all wait for the leader");
    leader.hang_up();
    for one in rest {
        assert_eq!(one.join().unwrap().text(), "x");
    }
    assert_eq!((asked.load(SeqCst), decided(&running, "led")), (1, 1));
    door.open();
}

#[test]
fn an_instance_in_trouble_gets_two_requests_and_no_stampede() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |_| {
        closed.wait();
        b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let running = Running::with(cached(&upstream));
    let all = crowd(50, running.gateway.address());
    until("all of them", || open(&running.gateway) == 50);
    door.open();
    let answers: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
    let failed = answers.iter().filter(|a| a.reason() == "coalesce").count();
    assert_eq!((asked.load(SeqCst), failed), (2, 48));
    assert!(answers.iter().all(|a| a.status >= 500));
    assert_eq!(
        running.client().get("/p").status,
        500,
        "the next one asks again"
    );
}

#[test]
fn nobody_waits_longer_than_the_route_says() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |n| {
        if n == 0 {
            closed.wait();
        }
        answer("max-age=60", "x")
    });
    let mut c = cached(&upstream);
    c.routes[0].coalesce.wait = Duration::from_millis(50);
    let running = Running::with(c);
    let mut leader = running.client();
    leader.send("GET /p HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the leader", || asked.load(SeqCst) == 1);
    let began = Instant::now();
    assert_eq!(running.client().get("/p").text(), "x");
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!((asked.load(SeqCst), decided(&running, "late")), (2, 1));
    door.open();
    assert_eq!(leader.answer().text(), "x");
}

#[test]
fn nobody_waits_beyond_a_deadline_of_their_own() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |_| {
        closed.wait();
        answer("max-age=60", "x")
    });
    let running = Running::with(cached(&upstream));
    let mut leader = running.client();
    leader.send("GET /p HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the leader", || asked.load(SeqCst) == 1);
    let hurried = "GET /p HTTP/1.1\r\nHost: t\r\nplimsoll-deadline: 40\r\n\r\n";
    let began = Instant::now();
    let a = running.client().send(hurried).answer();
    assert_eq!((a.status, a.reason()), (504, "deadline"));
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "not the wait of the route"
    );
    assert_eq!(asked.load(SeqCst), 1);
    door.open();
    assert_eq!(leader.answer().text(), "x");
}

#[test]
fn a_conditional_request_leads_nobody_and_spoils_nothing() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let (upstream, asked) = upstream(move |n| match n {
        0 => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
        _ => {
            closed.wait();
            answer("max-age=60", "x")
        }
    });
    let running = Running::with(cached(&upstream));
    let condition = "GET /p HTTP/1.1\r\nHost: t\r\nIf-None-Match: \"a\"\r\n\r\n";
    assert_eq!(running.client().send(condition).answer().status, 304);
    let all = crowd(20, running.gateway.address());
    until("all of them", || open(&running.gateway) == 20);
    let mut late = running.client();
    late.send(condition);
    until("one that follows", || open(&running.gateway) == 21);
    door.open();
    assert!(all.into_iter().all(|one| one.join().unwrap().text() == "x"));
    assert_eq!(late.answer().text(), "x");
    assert_eq!(asked.load(SeqCst), 2);
}

#[test]
fn a_crowd_on_an_old_answer_with_a_version_is_one_question_to_the_instance() {
    let door = Arc::new(Door::default());
    let closed = door.clone();
    let old = |fields: &str, body: &str| {
        let n = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nETag: \"1\"\r\n{fields}");
        format!("{head}\r\n\r\n{body}").into_bytes()
    };
    let (upstream, asked) = upstream(move |n| match n {
        0 => old("Cache-Control: max-age=1", "old"),
        _ => {
            closed.wait();
            b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n".to_vec()
        }
    });
    let running = Running::with(cached(&upstream));
    assert_eq!(running.client().get("/p").text(), "old");
    let only = "GET /p HTTP/1.1\r\nHost: t\r\nCache-Control: only-if-cached\r\n\r\n";
    let mut client = running.client();
    until("its end", || client.send(only).answer().status == 504);
    let all = crowd(100, running.gateway.address());
    until("all of them", || open(&running.gateway) == 100);
    door.open();
    let answers = all.into_iter().map(|one| one.join().unwrap());
    assert!(
        answers
            .map(|a| (a.status, a.text()))
            .all(|a| a == (200, "old".to_owned()))
    );
    assert_eq!(asked.load(SeqCst), 2);
}
