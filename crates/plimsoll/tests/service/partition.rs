//! A network that falls apart under traffic: who is cut off from an engine says so and does what it can, the others go on, and whole
//! again nothing that was promised is lost or done twice.

use crate::durable::{self, Node};
use crate::engines::{self, BURST, Client, LEASED_S, RATE};
use crate::messages::{message, service};
use crate::stage::Stage;
use peers::{Redis, Wire, there};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ORDERS: &str = "  orders: { match: POST /orders, to: app, async: { when: always, concurrency: 4, timeout: 1s } }\n";

/// Answers all that it gets, and writes it down.
fn serve(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (_, body) = message(&mut stream)?;
        got.lock().unwrap().push(body);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.get_mut().write_all(answer).ok()?;
    }
}

/// What one client was told, by the numbers of its jobs.
#[derive(Default)]
struct Told {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// Posts one job after another; the bodies of those that were accepted.
fn client(at: SocketAddr, name: &'static str, told: Arc<Told>) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut accepted = Vec::new();
        for n in 0.. {
            if told.stop.load(SeqCst) {
                break;
            }
            let body = format!("{name}{n}");
            let mut stream = TcpStream::connect(at).unwrap();
            // Nobody waits for an engine for so long.
            let patience = Some(Duration::from_secs(10));
            stream.set_read_timeout(patience).unwrap();
            let request = format!(
                "POST /orders HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).unwrap();
            let (head, said) = message(&mut BufReader::new(stream)).expect("an answer in time");
            if head.starts_with("HTTP/1.1 202") {
                accepted.push(body);
                told.accepted.fetch_add(1, SeqCst);
            } else {
                let is_said = head.starts_with("HTTP/1.1 503") && said.contains("job-refused");
                assert!(is_said && head.contains("Retry-After"), "{head}{said}");
                told.refused.fetch_add(1, SeqCst);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        accepted
    })
}

fn more(stage: &Stage, what: &str, count: &AtomicUsize, n: usize) {
    let before = count.load(SeqCst);
    stage.wait(what, |_| (count.load(SeqCst) >= before + n).then_some(()));
}

fn is_paused(n: &Node) {
    let paused = "plimsoll_jobs_paced_by{route=\"orders\",reason=\"paused\"} 1";
    n.stage.wait("the pause", |s| {
        s.console_get("/metrics")?.contains(paused).then_some(())
    });
    n.stage.wait("the end of what is under way", |s| {
        s.ask_console(&["jobs", "status"])
            .contains(", 0 under way")
            .then_some(())
    });
}

#[test]
fn a_node_that_does_not_reach_nats_refuses_jobs_and_each_accepted_one_is_done_once() {
    let Some(nats) = durable::start(durable::SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let wire = Wire::to(nats.address()).unwrap();
    let urls = [nats.url(), format!("nats://{}", wire.at())];
    let nodes =
        urls.map(|url| durable::node_at(&url, &nats.monitor(), at, "jobs: durable", ORDERS, ""));
    let [a, b] = &nodes;
    for n in &nodes {
        durable::is_up(&n.stage);
    }
    let told = [(); 2].map(|()| Arc::new(Told::default()));
    let clients = [(a, "a"), (b, "b")];
    let clients: Vec<_> = (clients.iter().zip(&told))
        .map(|(&(n, name), told)| client(n.stage.listen, name, told.clone()))
        .collect();
    let [of_a, of_b] = &told;
    more(&a.stage, "jobs at one", &of_a.accepted, 20);
    more(&b.stage, "jobs at the other", &of_b.accepted, 20);

    wire.cut();
    more(&b.stage, "refusals", &of_b.refused, 2);
    b.stage.wait("what is wrong", |s| {
        durable::engine(s).filter(|e| !e["wrong"].is_null())
    });
    more(&a.stage, "jobs where it is reached", &of_a.accepted, 50);
    // Said while the other does not hear it.
    a.stage.ask_console(&["jobs", "pause", "orders"]);

    wire.mend();
    more(&b.stage, "jobs at both again", &of_b.accepted, 20);
    nodes.iter().for_each(is_paused);
    let delivered = got.lock().unwrap().len();
    more(&b.stage, "jobs that wait", &of_b.accepted, 20);
    assert_eq!(got.lock().unwrap().len(), delivered);
    b.stage.ask_console(&["jobs", "resume", "orders"]);
    told.iter().for_each(|t| t.stop.store(true, SeqCst));
    let accepted: Vec<String> = (clients.into_iter())
        .flat_map(|c| c.join().unwrap())
        .collect();
    // What the one claimed when it was cut off may be its own for as long as its lease: half a minute longer than an attempt.
    let end = Instant::now() + Duration::from_secs(90);
    while !a
        .stage
        .ask_console(&["jobs", "status"])
        .contains("orders: 0 waiting")
    {
        assert!(Instant::now() < end, "jobs that do not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    let delivered: BTreeSet<String> = got.lock().unwrap().iter().cloned().collect();
    let lost: Vec<_> = accepted
        .iter()
        .filter(|b| !delivered.contains(*b))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    let mut times = BTreeMap::new();
    for body in got.lock().unwrap().iter() {
        *times.entry(body.clone()).or_insert(0) += 1;
    }
    // Also of those that were refused: nobody could say that they had come in.
    let twice: Vec<_> = times.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn a_node_that_does_not_reach_redis_goes_on_with_its_share() {
    let Some(redis) = there(Redis::start(&[])) else {
        return;
    };
    let wire = Wire::to(redis.address()).unwrap();
    let mut stages = engines::two([&redis.url(), &format!("redis://{}", wire.at())]);
    for s in &mut stages {
        s.start();
    }
    let is_up = |s: &Stage| {
        s.wait("the engine", |s| {
            engines::engine(s).filter(|e| e["wrong"].is_null())
        });
    };
    stages.iter().for_each(is_up);
    // Both are asked alike: half is the share of each.
    let ([a, b], span) = engines::passed(&stages);
    assert!(
        a + b <= RATE * (span + LEASED_S) + BURST && a.min(b) >= 0.2 * RATE * span,
        "{a} and {b} in {span} s"
    );
    wire.cut();
    stages[1].wait("what is wrong", |s| {
        engines::engine(s).filter(|e| !e["wrong"].is_null())
    });
    let ([a, b], span) = engines::passed(&stages);
    // The engine gives what the one does not ask for to the other.
    assert!(
        a <= RATE * (span + LEASED_S) + BURST && a >= 0.7 * RATE * span,
        "{a} in {span} s"
    );
    assert!(
        b <= 0.8 * RATE * span + BURST && b >= 0.2 * RATE * span,
        "{b} in {span} s"
    );
    let (status, why) = Client::new(stages[1].listen).get("/closed");
    assert!(
        status == 503 && why.contains("rate-unknown"),
        "{status} {why}"
    );
    assert_eq!(Client::new(stages[0].listen).get("/closed").0, 200);
    wire.mend();
    stages.iter().for_each(is_up);
    let ([a, b], span) = engines::passed(&stages);
    assert!(
        a + b <= RATE * (span + LEASED_S) + 2.0 * BURST && a + b >= 0.7 * RATE * span,
        "{a} and {b} in {span} s"
    );
}
