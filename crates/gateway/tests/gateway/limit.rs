//! A learned limit over sockets: it counts what requests cost, and does not act before it is sure.

use crate::common::*;
use base::learned::Use;
use base::{Learned, Protection};
use config::sections::{AccessLog, Bulkhead, Criticality, Identity, LogTo};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

/// Room for two requests of `heavy`; `light` uses nothing of it.
fn learned(confidence: f64) -> Learned {
    Learned {
        services: vec![Protection {
            service: "s".into(),
            resource: "lock.s".into(),
            servers: 2.0,
            mean: used(0.5),
            routes: vec![("heavy".into(), used(1.0)), ("all".into(), used(0.0))],
            confidence,
            ..Protection::default()
        }],
    }
}

fn used(share: f64) -> Use {
    Use {
        seconds: 0.1 * share,
        share,
        ..Use::default()
    }
}

/// An upstream whose `/heavy` answers when the barrier is met, and how many it holds at most.
fn held(barrier: Arc<Barrier>) -> (Upstream, Arc<AtomicUsize>) {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let upstream = Upstream::http(move |head, _| {
        if head.starts_with("GET /heavy") {
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            barrier.wait();
            inside.fetch_sub(1, SeqCst);
        }
        ok(b"x")
    });
    (upstream, peak)
}

fn running(upstream: &Upstream, wait: Duration) -> Running {
    let mut c = config(&[upstream.address]);
    c.routes.push(route("heavy", "s", &["heavy"]));
    c.services[0].pool.wait = wait;
    Running::with(c)
}

fn ask(running: &Running, n: usize) -> Vec<std::thread::JoinHandle<Answer>> {
    let one = |_| {
        let mut client = running.client();
        std::thread::spawn(move || client.get("/heavy"))
    };
    (0..n).map(one).collect()
}

#[test]
fn dear_requests_wait_for_their_seconds_and_cheap_ones_pass() {
    let barrier = Arc::new(Barrier::new(3));
    let (upstream, peak) = held(barrier.clone());
    let running = running(&upstream, Duration::from_secs(20));
    running.gateway.learn(&learned(0.95));
    let counts = || running.gateway.gauges().limits[0].counts;
    let four = ask(&running, 4);
    until("two inside and two waiting", || {
        counts().in_flight == 4000 && counts().waiting == 2
    });
    let mut client = running.client();
    assert_eq!(
        client.get("/light").status,
        200,
        "it does not stand behind them"
    );
    barrier.wait();
    barrier.wait();
    let statuses: Vec<u16> = four.into_iter().map(|t| t.join().unwrap().status).collect();
    assert_eq!((statuses, peak.load(SeqCst)), (vec![200; 4], 2));
    until("nothing in flight", || counts().in_flight == 0);
}

#[test]
fn who_waits_too_long_is_told_why_and_what_is_forgotten_does_not_act() {
    let barrier = Arc::new(Barrier::new(4));
    let (upstream, _) = held(barrier.clone());
    let running = running(&upstream, Duration::from_millis(20));
    running.gateway.learn(&learned(0.95));
    let counts = || running.gateway.gauges().limits[0].counts;
    let two = ask(&running, 2);
    until("two inside", || counts().in_flight == 4000);
    let third = ask(&running, 1).remove(0).join().unwrap();
    assert_eq!((third.status, third.reason()), (503, "limit"));
    assert_eq!(third.header("retry-after"), Some("1"));
    running.gateway.learn(&Learned::default());
    let free = ask(&running, 1);
    barrier.wait();
    for t in two.into_iter().chain(free) {
        assert_eq!(t.join().unwrap().status, 200);
    }
}

#[test]
fn an_unsure_limit_only_counts() {
    let barrier = Arc::new(Barrier::new(4));
    let (upstream, peak) = held(barrier.clone());
    let running = running(&upstream, Duration::from_secs(20));
    running.gateway.learn(&learned(0.5));
    let three = ask(&running, 3);
    barrier.wait();
    let statuses: Vec<u16> = three
        .into_iter()
        .map(|t| t.join().unwrap().status)
        .collect();
    assert_eq!((statuses, peak.load(SeqCst)), (vec![200; 3], 3));
    assert_eq!(running.gateway.gauges().limits[0].counts.would_refuse, 1);
}

#[test]
fn who_matters_more_overtakes_those_who_wait() {
    let (order, barrier) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Barrier::new(2)));
    let (seen, first) = (order.clone(), barrier.clone());
    let upstream = Upstream::http(move |head, _| {
        let path = head.split(' ').nth(1).unwrap_or("").to_owned();
        if path == "/first" {
            first.wait();
        }
        seen.lock().unwrap().push(path);
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.services[0].limit = Some(1);
    c.services[0].pool.wait = Duration::from_secs(20);
    c.routes[0].criticality = Criticality::Critical;
    c.identity = Some(Identity {
        criticality: Some("x-criticality".into()),
        ..Identity::default()
    });
    let running = Running::with(c);
    let counts = || running.gateway.gauges().limits[0].counts;
    let ask = |path: &str, criticality: &str| {
        let mut client = running.client();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-Criticality: {criticality}\r\n\r\n"
        ));
        client
    };
    let mut all = vec![ask("/first", "critical")];
    until("one inside", || counts().in_flight == 1000);
    for (i, criticality) in ["sheddable", "normal", "critical"].into_iter().enumerate() {
        all.push(ask(&format!("/{criticality}"), criticality));
        until("one more waits", || counts().waiting == i + 1);
    }
    barrier.wait();
    let statuses: Vec<u16> = all.iter_mut().map(|c| c.answer().status).collect();
    assert_eq!(statuses, [200; 4]);
    let order = order.lock().unwrap();
    assert_eq!(*order, ["/first", "/critical", "/normal", "/sheddable"]);
}

/// Answers with an event stream on `/heavy/events`, with a tunnel on `/heavy/tunnel`, and with `x` on the rest. Both stay open.
fn enduring() -> Upstream {
    Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            let answer: &[u8] = match head.split(' ').nth(1) {
                Some("/heavy/events") => {
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:\n\r\n"
                }
                Some("/heavy/tunnel") => {
                    b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"
                }
                _ => &ok(b"x"),
            };
            stream.write_all(answer).unwrap_or(());
        }
    })
}

/// Opens five of them, and asks for something else; the last status.
fn beside_what_endures(limit: Option<u32>, bulkhead: bool) -> u16 {
    let upstream = enduring();
    let mut c = config(&[upstream.address]);
    c.routes.push(route("heavy", "s", &["heavy"]));
    c.services[0].pool.wait = Duration::from_millis(20);
    c.services[0].limit = limit;
    c.services[0].bulkhead = bulkhead.then(Bulkhead::default);
    let running = Running::with(c);
    running.gateway.learn(&learned(0.95));
    let mut open = Vec::new();
    let mut client = running.client();
    for n in 0..5 {
        let mut one = running.client();
        let (target, status) = [("events", 200), ("tunnel", 101)][n % 2];
        one.send(format!(
            "GET /heavy/{target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"
        ));
        match one.try_answer(false) {
            Some(a) if a.status == status => open.push(one),
            _ => return 503,
        }
    }
    client.get("/heavy/other").status
}

#[test]
fn what_stays_open_holds_nothing_of_what_is_learned() {
    assert_eq!(beside_what_endures(None, false), 200);
    assert_eq!(beside_what_endures(None, true), 200);
    assert_eq!(
        beside_what_endures(Some(3), false),
        503,
        "a configured limit is of all that is open"
    );
}

/// An upstream whose `/held` answers once the door is open.
fn behind_a_door() -> (Upstream, Arc<(Mutex<bool>, Condvar)>) {
    let door = Arc::new((Mutex::new(false), Condvar::new()));
    let of = door.clone();
    let upstream = Upstream::http(move |head, _| {
        if head.starts_with("GET /held") {
            let (open, moved) = &*of;
            let shut = |open: &mut bool| !*open;
            drop(moved.wait_while(open.lock().unwrap(), shut).unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
        ok(b"x")
    });
    (upstream, door)
}

/// Forty requests at once, when four at a time have been carried with ease: their statuses, and what the limit counted.
fn forty_at_once(
    acts: bool,
    log: &std::path::Path,
) -> (Vec<Answer>, gateway::attempt::limit::Counts) {
    let (upstream, door) = behind_a_door();
    let mut c = config(&[upstream.address]);
    c.services[0].latency_limit = acts;
    c.services[0].pool.wait = Duration::from_millis(20);
    c.access_log = Some(AccessLog {
        to: LogTo::File(log.into()),
        share: 1.0,
        ..AccessLog::default()
    });
    let running = Running::with(c);
    let counts = || running.gateway.gauges().limits[0].counts;
    let address = running.gateway.address();
    let warm = AtomicBool::new(false);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                let mut client = Client::to(address);
                while !warm.load(SeqCst) {
                    client.get("/");
                }
            });
        }
        until("a limit", || counts().latency_limit > 0);
        warm.store(true, SeqCst);
    });
    until("nothing in flight", || counts().in_flight == 0);
    let limit = counts().latency_limit / 1000;
    assert_eq!(limit, 20);
    let before = counts();
    let clients: Vec<_> = (0..40)
        .map(|_| {
            let mut client = running.client();
            std::thread::spawn(move || client.get("/held"))
        })
        .collect();
    until("all of them", || {
        let now = counts();
        now.in_flight / 1000 + (now.refused - before.refused) == 40
    });
    let seen = counts();
    *door.0.lock().unwrap() = true;
    door.1.notify_all();
    let answers = clients.into_iter().map(|c| c.join().unwrap()).collect();
    (answers, seen)
}

#[test]
fn without_a_model_latency_counts_and_refuses_only_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [false, true].map(|acts| folder.path().join(format!("{acts}.log")));
    let [counting, acting] = std::thread::scope(|s| {
        let [a, b] = [(false, &logs[0]), (true, &logs[1])]
            .map(|(acts, log)| s.spawn(move || forty_at_once(acts, log)));
        [a.join().unwrap(), b.join().unwrap()]
    });
    let (answers, seen) = counting;
    assert!(answers.iter().all(|a| a.status == 200));
    assert_eq!((seen.latency_would_refuse, seen.refused), (20, 0));
    until("its lines", || {
        let lines = std::fs::read_to_string(&logs[0]).unwrap_or_default();
        lines.matches("would_refuse").count() == 20
    });
    let (answers, seen) = acting;
    let refused: Vec<_> = answers.iter().filter(|a| a.status == 503).collect();
    assert_eq!((refused.len(), seen.refused), (20, 20));
    assert!(refused.iter().all(|a| a.reason() == "limit"));
    assert_eq!(seen.latency_would_refuse, 0);
}
