//! Jobs in the real binary: kill -9 under traffic loses none of them, and the commands say and do what they promise.

use crate::messages::{message, service};
use crate::stage::{Stage, signal};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const KILLS: usize = 4;
/// Clients, each with an ordering key of its own.
const KEYS: usize = 3;
/// Deliveries at once.
const IN_FLIGHT: usize = 4;

/// Answers 422 to every tenth number, and writes down all that it gets.
fn receive(stream: TcpStream, got: &Mutex<Vec<u64>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (_, body) = message(&mut stream)?;
        let n: u64 = body.parse().ok()?;
        got.lock().unwrap().push(n);
        let status = if n.is_multiple_of(10) {
            "422 No"
        } else {
            "200 OK"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

fn ask(at: SocketAddr, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    message(&mut BufReader::new(stream))
}

fn post(at: SocketAddr, n: u64) -> Option<String> {
    let (body, key) = (n.to_string(), n as usize % KEYS);
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: t\r\nPrefer: respond-async\r\nX-Customer: c{key}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let (head, _) = ask(at, &request)?;
    let accepted = head.starts_with("HTTP/1.1 202");
    let place = head.lines().find_map(|l| l.strip_prefix("Location: "));
    place.filter(|_| accepted).map(str::to_owned)
}

/// What was accepted: its number, and where the job is.
type Accepted = Vec<(u64, String)>;

fn client(
    at: SocketAddr,
    key: usize,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
) -> JoinHandle<Accepted> {
    std::thread::spawn(move || {
        let mut mine = Vec::new();
        for n in (key as u64..).step_by(KEYS) {
            if stop.load(SeqCst) {
                break;
            }
            match post(at, n) {
                Some(place) => {
                    mine.push((n, place));
                    accepted.fetch_add(1, SeqCst);
                }
                // Killed: whether it was accepted nobody knows.
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
        mine
    })
}

fn stage(rules: &str) -> (Stage, Arc<Mutex<Vec<u64>>>) {
    stage_of(receive, rules)
}

fn stage_of(
    receive: fn(TcpStream, &Mutex<Vec<u64>>) -> Option<()>,
    rules: &str,
) -> (Stage, Arc<Mutex<Vec<u64>>>) {
    let (at, got) = service(receive);
    let mut stage = Stage::new("");
    stage.instance = at;
    let route = format!("routes: {{ orders: {{ match: POST /orders, to: app, async: {rules} }} }}");
    stage.write(&stage.config(&route));
    (stage, got)
}

/// Never answers what comes first.
fn receive_late(stream: TcpStream, got: &Mutex<Vec<u64>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (_, body) = message(&mut stream)?;
    let first = {
        let mut got = got.lock().unwrap();
        got.push(body.parse().ok()?);
        got.len() == 1
    };
    if first {
        // Until it is given up.
        return stream.read(&mut [0]).ok().map(drop);
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    stream.get_mut().write_all(answer).ok()
}

/// Never answers.
fn receive_nothing(stream: TcpStream, got: &Mutex<Vec<u64>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (_, body) = message(&mut stream)?;
    got.lock().unwrap().push(body.parse().ok()?);
    stream.read(&mut [0]).ok().map(drop)
}

#[test]
fn a_job_with_which_the_process_ends_each_time_is_dead() {
    let (mut stage, got) = stage_of(receive_nothing, "{ attempts: 2, timeout: 60s }");
    let mut pid = stage.start();
    let place = post(stage.listen, 1).expect("it is accepted");
    for attempt in 1..=2 {
        stage.wait("a delivery", |_| {
            (got.lock().unwrap().len() == attempt).then_some(())
        });
        signal(pid, "KILL");
        stage.ended(pid);
        pid = stage.start();
    }
    let request = format!("GET {place} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let said = stage.wait("its end", |s| {
        let (_, body) = ask(s.listen, &request)?;
        body.contains("\"dead\"").then_some(body)
    });
    assert!(said.contains("none of 2 attempts came back"), "{said}");
    assert_eq!(*got.lock().unwrap(), [1, 1]);
    // And once more, as long as a new one has.
    let id = place.rsplit('/').next().unwrap();
    assert!(stage.ask(&["jobs", "redrive", id]).status.success());
    stage.wait("one more delivery", |_| {
        (got.lock().unwrap().len() == 3).then_some(())
    });
}

#[test]
fn an_upgrade_does_not_wait_for_a_delivery_that_takes_long() {
    let (mut stage, got) = stage_of(receive_late, "{ timeout: 60s }");
    let first = stage.start();
    let place = post(stage.listen, 1).expect("it is accepted");
    stage.wait("the first delivery", |_| {
        (got.lock().unwrap().len() == 1).then_some(())
    });
    let (done, second) = stage.upgrade();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && second != first, "{said}");
    let request = format!("GET {place} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    stage.wait("the second one", |s| {
        let (_, body) = ask(s.listen, &request)?;
        body.contains("\"done\"").then_some(())
    });
    assert_eq!(*got.lock().unwrap(), [1, 1]);
    signal(second, "TERM");
    stage.ended(second);
}

#[test]
fn kill_9_under_traffic_loses_no_job() {
    let rules = format!("{{ order_by: x-customer, concurrency: {IN_FLIGHT} }}");
    let (mut stage, got) = stage(&rules);
    let mut pid = stage.start();
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..KEYS)
        .map(|key| client(stage.listen, key, stop.clone(), count.clone()))
        .collect();
    for kill in 0..=KILLS {
        let enough = count.load(SeqCst) + 60;
        stage.wait("more jobs", |_| {
            (count.load(SeqCst) >= enough).then_some(())
        });
        if kill < KILLS {
            signal(pid, "KILL");
            stage.ended(pid);
            pid = stage.start();
        }
    }
    stop.store(true, SeqCst);
    let accepted: Accepted = clients
        .into_iter()
        .flat_map(|c| c.join().unwrap())
        .collect();
    assert!(accepted.len() >= 60 * KILLS);
    let lanes = stage.wait("the end of all jobs", |s| {
        let said = s.ask(&["jobs", "status"]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.starts_with("orders: 0 waiting").then_some(text)
    });
    assert!(lanes.contains("dead"), "{lanes}");
    // Each ended in one way, and in the one that its answer asks for.
    for (n, place) in &accepted {
        let request = format!("GET {place} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        let (head, body) = ask(stage.listen, &request).unwrap();
        let state = if n.is_multiple_of(10) {
            "\"dead\""
        } else {
            "\"done\""
        };
        assert!(body.contains(state), "{n}: {head}{body}");
    }
    let got = got.lock().unwrap().clone();
    let once: BTreeSet<u64> = got.iter().copied().collect();
    assert!(accepted.iter().all(|(n, _)| once.contains(n)));
    let twice = got.len() - once.len();
    assert!(twice <= KILLS * IN_FLIGHT, "{twice} were delivered twice");
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for n in got {
        let before = last.insert(n % KEYS as u64, n);
        assert!(before.is_none_or(|b| b <= n), "{n} after {before:?}");
    }
}

#[test]
fn the_commands_look_pause_cancel_and_redrive() {
    let (mut stage, got) = stage("{ when: always }");
    let pid = stage.start();
    let said = |args: &[&str]| {
        let out = stage.ask(args);
        let text = [out.stdout, out.stderr].concat();
        (
            out.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    assert!(
        said(&["jobs", "pause", "nothing"])
            .1
            .contains("no route `nothing` takes jobs")
    );
    assert_eq!(said(&["jobs", "pause", "orders"]).0, Some(0));
    let place = post(stage.listen, 10).unwrap();
    let id = place.rsplit('/').next().unwrap();
    let lanes = said(&["jobs", "status"]).1;
    assert!(
        lanes.contains("orders: 1 waiting") && lanes.contains("paused"),
        "{lanes}"
    );
    assert!(said(&["jobs", "list", "orders"]).1.contains(id));
    said(&["jobs", "resume", "orders"]);
    let dead = stage.wait("the dead letter", |_| {
        let shown = said(&["jobs", "show", id]).1;
        shown.contains("dead").then_some(shown)
    });
    assert!(dead.contains("status 422") && dead.contains("ok"), "{dead}");
    assert_eq!(
        said(&["jobs", "redrive", "--route", "orders"]),
        (Some(0), "redriven: 1\n".into())
    );
    stage.wait("the second delivery", |_| {
        (got.lock().unwrap().len() == 2).then_some(())
    });
    stage.wait("the end", |_| {
        said(&["jobs", "show", id]).1.contains("dead").then_some(())
    });
    let (code, text) = said(&["jobs", "cancel", id]);
    assert!(code == Some(1) && text.contains("dead already"), "{text}");
    // A backup of the running one, put where nothing is, knows the job.
    let (code, text) = said(&["backup", "--to", "copy"]);
    assert!(code == Some(0) && text.contains("queue.db"), "{text}");
    assert!(
        said(&["restore", "--from", "copy"])
            .1
            .contains("overwrites nothing")
    );
    let metrics = stage.console_get("/metrics").unwrap();
    assert!(
        metrics.contains("plimsoll_jobs_dead{route=\"orders\"} 1"),
        "{metrics}"
    );
    // One client, answered with 202; its two deliveries, refused with 422, are no answers.
    let answers = |l: &&str| l.starts_with("plimsoll_requests_total{route=\"orders\"");
    let answers: Vec<&str> = metrics.lines().filter(answers).collect();
    assert!(
        answers.len() == 1 && answers[0].ends_with(" 1"),
        "{answers:?}"
    );
    signal(pid, "KILL");
    stage.ended(pid);
    std::fs::remove_dir_all(stage.path("data")).unwrap();
    let restored = stage.ask(&["restore", "--from", "copy"]);
    assert_eq!(restored.status.code(), Some(0));
    stage.start();
    let shown = stage.ask(&["jobs", "show", id]).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("dead"));
}

#[test]
fn dead_jobs_are_edited_discarded_and_redriven_at_a_rate() {
    let (mut stage, got) = stage("{ when: always }");
    stage.start();
    let said = |args: &[&str]| {
        let out = stage.ask(args);
        let text = [out.stdout, out.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (out.status.code(), text)
    };
    let ids: Vec<String> = [10, 20, 30, 40]
        .map(|n| post(stage.listen, n).unwrap())
        .map(|place| place.rsplit('/').next().unwrap().to_owned())
        .into();
    let dead = |n: usize| {
        stage.wait("the dead letters", |_| {
            let all = said(&["jobs", "list", "orders", "--state", "dead"]).1;
            (all.lines().filter(|l| l.contains("  dead  ")).count() == n).then_some(())
        });
    };
    dead(4);
    let carried = stage.ask(&["jobs", "show", &ids[0], "--body"]);
    assert_eq!(carried.stdout, b"10");

    // Edited, it is a new job, and the old one says so.
    std::fs::write(stage.path("better"), "11").unwrap();
    let (code, text) = said(&["jobs", "redrive", &ids[0], "--body", "better"]);
    assert_eq!(code, Some(0), "{text}");
    let new = text.lines().find_map(|l| l.strip_prefix("job: ")).unwrap();
    stage.wait("the edited one", |_| {
        said(&["jobs", "show", new])
            .1
            .contains("  done  ")
            .then_some(())
    });
    assert_eq!(got.lock().unwrap().last(), Some(&11));
    let old = said(&["jobs", "show", &ids[0]]).1;
    assert!(
        old.contains("cancelled") && old.contains(&format!("it goes on as {new}")),
        "{old}"
    );
    let (code, text) = said(&["jobs", "redrive", &ids[0], "--body", "better"]);
    assert!(code == Some(1) && text.contains("no dead job"), "{text}");

    assert_eq!(said(&["jobs", "discard", &ids[1]]).1, "discarded: 1\n");
    let none = [
        "jobs", "redrive", "--route", "orders", "--reason", "timeout",
    ];
    assert_eq!(said(&none).1, "redriven: 0\n");
    let slowly = [
        "jobs",
        "redrive",
        "--route",
        "orders",
        "--request",
        "POST /orders",
        "--rate",
        "0.001",
    ];
    assert_eq!(said(&slowly).1, "redriven: 2\n");
    // The first goes at once, and is refused again; the other has a quarter of an hour.
    dead(1);
    let shown = said(&["jobs", "show", &ids[3]]).1;
    assert!(shown.contains("  waiting  "), "{shown}");
    let (code, text) = said(&["jobs", "redrive", "--route", "orders", "--rate", "0"]);
    assert!(code == Some(1) && text.contains("0 per second"), "{text}");
    let all = ["jobs", "discard", "--route", "orders", "--reason", "422"];
    assert_eq!(said(&all).1, "discarded: 1\n");
    dead(0);
}

/// Gone.
fn receive_gone(stream: TcpStream, got: &Mutex<Vec<u64>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (_, body) = message(&mut stream)?;
    got.lock().unwrap().push(body.parse().ok()?);
    let answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.get_mut().write_all(answer).ok()
}

#[test]
fn a_restart_does_not_forget_that_a_service_is_gone() {
    let (mut stage, got) = stage_of(receive_gone, "{ when: always }");
    let pid = stage.start();
    post(stage.listen, 1).unwrap();
    let is_still = |stage: &Stage| {
        stage.wait("it stands still", |s| {
            let shown = s.ask_console(&["jobs", "status"]);
            shown
                .contains("the service says that it is gone (status 410); `plimsoll jobs resume`")
                .then_some(())
        });
    };
    is_still(&stage);
    stage.wait("the dead letter", |s| {
        let metrics = s.console_get("/metrics")?;
        metrics
            .contains("plimsoll_jobs_dead{route=\"orders\"} 1")
            .then_some(())
    });
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    post(stage.listen, 2).unwrap();
    is_still(&stage);
    assert_eq!(got.lock().unwrap().len(), 1);
    stage.ask_console(&["jobs", "resume", "orders"]);
    stage.wait("the next", |_| {
        (got.lock().unwrap().len() == 2).then_some(())
    });
}
