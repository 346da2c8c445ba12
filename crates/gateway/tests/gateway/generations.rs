//! Reload, expiry, canary, health checks and shutdown: while traffic runs, and without losing any of it.

use crate::common::*;
use base::Arm;
use config::{Canary, Config, Expiry, Generation};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An upstream that answers with its name.
fn named(name: &'static str) -> Upstream {
    Upstream::http(move |_, _| ok(name.as_bytes()))
}

/// What clients in a loop have seen.
#[derive(Default)]
struct Seen {
    good: AtomicUsize,
    bad: AtomicUsize,
    stop: AtomicBool,
}

/// Keep-alive clients; a connection that ends before a request was sent is opened again, anything else is a failure.
fn clients(n: usize, address: SocketAddr, seen: &Arc<Seen>) -> Vec<std::thread::JoinHandle<()>> {
    let one = move |seen: Arc<Seen>| {
        let mut client: Option<Client> = None;
        while !seen.stop.load(SeqCst) {
            let open = client.get_or_insert_with(|| Client::to(address));
            match open.try_get("/x") {
                Some(a) if a.status == 200 => {
                    seen.good.fetch_add(1, SeqCst);
                    if a.header("connection") == Some("close") {
                        return;
                    }
                }
                other => {
                    seen.bad.fetch_add(1, SeqCst);
                    eprintln!("failed: {other:?}");
                    return;
                }
            }
        }
    };
    (0..n)
        .map(|_| {
            let seen = seen.clone();
            std::thread::spawn(move || one(seen))
        })
        .collect()
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing() {
    let (a, b) = (named("a"), named("b"));
    let running = Running::with(config(&[a.address]));
    let seen = Arc::new(Seen::default());
    let threads = clients(4, running.gateway.address(), &seen);
    for number in 2..102 {
        let instances: &[SocketAddr] = match number % 3 {
            0 => &[a.address],
            1 => &[b.address],
            _ => &[a.address, b.address],
        };
        let before = seen.good.load(SeqCst);
        running.gateway.apply(generation(number, config(instances)));
        until("traffic after the reload", || {
            seen.good.load(SeqCst) > before + 8 || seen.bad.load(SeqCst) > 0
        });
    }
    seen.stop.store(true, SeqCst);
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(seen.bad.load(SeqCst), 0);
    let gauges = running.gateway.gauges();
    assert_eq!((gauges.generation, gauges.dropped), (101, 0));
    // What is no longer configured is let go of.
    until("pools of the removed", || {
        running.gateway.gauges().pools.iter().all(|p| p.busy == 0)
    });
    // A request is counted out after its client has the answer.
    until("the end of all", || {
        running.gateway.open_requests().is_empty()
    });
}

#[test]
fn a_shutdown_under_load_loses_nothing() {
    let upstream = Upstream::http(|_, _| {
        std::thread::sleep(Duration::from_millis(2));
        ok(b"x")
    });
    let mut running = Running::with(config(&[upstream.address]));
    let seen = Arc::new(Seen::default());
    let mut idle = running.client();
    assert_eq!(idle.get("/").status, 200);
    let threads = clients(6, running.gateway.address(), &seen);
    until("some traffic", || seen.good.load(SeqCst) > 100);
    let mut consumers = std::mem::take(&mut running.rings);
    let began = Instant::now();
    let drained = running.gateway.shutdown();
    assert_eq!(drained.cut, 0, "{drained:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{drained:?}");
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(seen.bad.load(SeqCst), 0);
    assert!(idle.is_closed());
    let samples: usize = consumers
        .iter_mut()
        .map(|c| std::iter::from_fn(|| c.pop().ok()).count())
        .sum();
    assert_eq!(
        samples,
        2 * (seen.good.load(SeqCst) + 1),
        "a request and an attempt each"
    );
}

/// A service that asks through the gateway, over the one connection that it has, is answered as often as it needs to be.
#[test]
fn what_a_request_asks_while_the_gateway_drains_is_answered() {
    let connections: Arc<Mutex<Option<[Client; 2]>>> = Arc::default();
    let (own, inside) = (connections.clone(), Arc::new(AtomicBool::new(false)));
    let entered = inside.clone();
    let front = Upstream::http(move |head, _| {
        if head.starts_with("GET /inner") {
            return ok(b"inner");
        }
        let span = header(head, "traceparent").unwrap().to_owned();
        let [mut pooled, mut other] = own.lock().unwrap().take().unwrap();
        entered.store(true, SeqCst);
        until("the drain", || {
            other.get("/inner").header("connection") == Some("close")
        });
        for _ in 0..3 {
            pooled.send(format!(
                "GET /inner HTTP/1.1\r\nHost: t\r\ntraceparent: {span}\r\n\r\n"
            ));
            assert_eq!(pooled.answer().text(), "inner");
        }
        ok(b"all three")
    });
    let running = Running::with(config(&[front.address]));
    *connections.lock().unwrap() = Some([running.client(), running.client()]);
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the request", || inside.load(SeqCst));
    let drained = running.gateway.shutdown();
    assert_eq!(drained.cut, 0, "{drained:?}");
    assert_eq!(client.answer().text(), "all three");
}

#[test]
fn a_request_that_outlasts_the_drain_is_cut_and_counted() {
    let upstream = Upstream::start(|mut s| {
        let mut buffer = Vec::new();
        while read_request(&mut s, &mut buffer).is_some() {}
    });
    let mut c = config(&[upstream.address]);
    c.limits.drain = Duration::from_millis(100);
    let mut running = Running::with(c);
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the request", || {
        !running.gateway.open_requests().is_empty()
    });
    let mut rings = std::mem::take(&mut running.rings);
    let drained = running.gateway.shutdown();
    assert_eq!(drained.cut, 1);
    assert!(client.is_closed());
    let ends: Vec<_> = rings
        .iter_mut()
        .flat_map(|r| std::iter::from_fn(|| r.pop().ok()))
        .collect();
    assert_eq!(ends.len(), 2, "what was cut has its samples too: {ends:?}");
}

fn with_canary(base: Config, canary: Config, share: f64) -> Generation {
    Generation {
        number: 7,
        hash: String::new(),
        base: Arc::new(base),
        canary: Some(Canary {
            overlay: "try".into(),
            share,
            config: Arc::new(canary),
        }),
        expiry: None,
    }
}

#[test]
fn a_user_stays_on_one_side_of_a_canary() {
    let (a, b) = (named("base"), named("canary"));
    let generation = with_canary(config(&[a.address]), config(&[b.address]), 0.5);
    let mut running = Running::of(Arc::new(generation), 2);
    let mut arms = Vec::new();
    for user in 0..40 {
        let ask = || {
            let request = format!("GET / HTTP/1.1\r\nHost: t\r\nX-User-Id: u{user}\r\n\r\n");
            running.client().send(request).answer().text()
        };
        let first = ask();
        assert!((0..2).all(|_| ask() == first));
        arms.push(first);
    }
    let canary = arms.iter().filter(|a| *a == "canary").count();
    assert!((10..30).contains(&canary), "{canary} of 40");
    let samples = running.samples(240);
    let told = samples.iter().filter(|s| s.arm == Arm::CANARY).count();
    assert_eq!(told, canary * 6, "requests and attempts of the canary");
    // More users join as the share grows; nobody who is in leaves.
    let all = with_canary(config(&[a.address]), config(&[b.address]), 1.0);
    running.gateway.apply(Arc::new(all));
    assert_eq!(running.client().get("/").text(), "canary");
}

#[test]
fn a_call_stays_on_the_arm_of_the_request_that_caused_it() {
    let tells = |arm: &'static str| {
        Upstream::http(move |head, _| {
            ok(format!("{arm} {}", header(head, "traceparent").unwrap()).as_bytes())
        })
    };
    let (a, b) = (tells("base"), tells("canary"));
    let generation = with_canary(config(&[a.address]), config(&[b.address]), 0.5);
    let running = Running::of(Arc::new(generation), 2);
    let mut arms = Vec::new();
    for user in 0..40 {
        let outer = format!("GET / HTTP/1.1\r\nHost: t\r\nX-User-Id: u{user}\r\n\r\n");
        let outer = running.client().send(outer).answer().text();
        let (arm, parent) = outer.split_once(' ').unwrap();
        // A service need not pass the user on, and may act for another one.
        let inner =
            format!("GET / HTTP/1.1\r\nHost: t\r\nX-User-Id: job\r\nTraceparent: {parent}\r\n\r\n");
        let inner = running.client().send(inner).answer().text();
        assert_eq!(inner.split_once(' ').unwrap().0, arm);
        arms.push(arm.to_owned());
    }
    assert!((10..30).contains(&arms.iter().filter(|a| *a == "canary").count()));
}

#[test]
fn an_expired_overlay_goes_by_itself() {
    let (a, b) = (named("without"), named("with"));
    let mut first = Generation {
        number: 1,
        hash: String::new(),
        base: Arc::new(config(&[b.address])),
        canary: None,
        expiry: None,
    };
    first.expiry = Some(Expiry {
        // Long ago: the gateway's own look at the clock must find it.
        at: 1,
        next: generation(2, config(&[a.address])),
    });
    let running = Running::of(Arc::new(first), 2);
    until("the expiry", || running.gateway.gauges().generation == 2);
    assert_eq!(running.client().get("/").text(), "without");
}

#[test]
fn checks_find_who_is_down_and_who_is_back() {
    let sick = Arc::new(AtomicBool::new(true));
    let state = sick.clone();
    let one =
        Upstream::http(
            move |head, _| match (header(head, "user-agent"), state.load(SeqCst)) {
                (Some("plimsoll-health"), true) => {
                    b"HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n".to_vec()
                }
                _ => ok(b"one"),
            },
        );
    let two = named("two");
    let mut c = config(&[one.address, two.address]);
    c.services[0].health.path = Some("/healthz".into());
    c.services[0].health.interval = Duration::from_millis(50);
    let running = Running::looking(c, 1);
    let usable = |i: usize| running.gateway.gauges().pools[i].usable;
    until("the sick one to be known", || !usable(0) && usable(1));
    let mut client = running.client();
    assert!((0..20).all(|_| client.get("/").text() == "two"));
    sick.store(false, SeqCst);
    until("the sick one to be back", || usable(0));
    let again = (0..200)
        .map(|_| client.get("/").text())
        .filter(|t| t == "one");
    assert!(again.count() > 0);
}

#[test]
fn few_connections_use_every_thread() {
    let upstream = named("x");
    for n in [2usize, 8] {
        let running = Running::with(config(&[upstream.address]));
        let mut all = Vec::new();
        for _ in 0..n {
            let mut client = running.client();
            assert_eq!(client.get("/").status, 200);
            all.push(client);
        }
        let loads = running.gateway.gauges().connections;
        assert_eq!(loads, [n as u32 / 2; 2]);
    }
}

#[test]
fn the_number_of_connections_is_bounded() {
    let upstream = named("x");
    let mut c = config(&[upstream.address]);
    c.limits.connections = 3;
    let running = Running::with(c);
    let mut kept: Vec<_> = (0..3).map(|_| running.client()).collect();
    assert!(kept.iter_mut().all(|c| c.get("/").status == 200));
    assert!(running.client().try_get("/").is_none());
    assert_eq!(running.gateway.gauges().turned_away, 1);
}

/// A client that comes from this address of the loopback network.
fn client_at(ip: [u8; 4], running: &Running) -> Client {
    let from: SocketAddr = (ip, 0).into();
    let domain = socket2::Domain::IPV4;
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&running.gateway.address().into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client {
        stream,
        buffer: Vec::new(),
    }
}

#[test]
fn no_client_has_all_connections() {
    let upstream = named("x");
    let mut c = config(&[upstream.address]);
    c.limits.connections_per_client = Some(2);
    let running = Running::with(c);
    let (greedy, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    let mut kept: Vec<_> = (0..2).map(|_| client_at(greedy, &running)).collect();
    assert!(kept.iter_mut().all(|c| c.get("/").status == 200));
    assert!(client_at(greedy, &running).try_get("/").is_none());
    assert_eq!(client_at(other, &running).get("/").status, 200);
    let gauges = running.gateway.gauges();
    let refused = (gauges.decisions.iter()).find(|d| d.what == "too-many-of-one-client");
    assert_eq!(refused.map(|d| (d.gate, d.count)), Some(("connections", 1)));
    assert_eq!(gauges.turned_away, 0, "there is room");
    kept.pop();
    until("its place to be free", || {
        let again = client_at(greedy, &running).try_get("/");
        again.is_some_and(|a| a.status == 200)
    });
}
