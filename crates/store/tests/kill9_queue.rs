//! kill -9 at each point of a job's life, a hundred times over: what was accepted ends exactly once, keys stay in order, and
//! no more is delivered twice than was in flight.

use rustix::process::{Signal, getpid, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use store::{
    Bounds, Embedded, Finish, JobId, Leased, NewJob, NewMessage, Queue, State, TopicBounds, Topics,
};

const DIR: &str = "PLIMSOLL_QUEUE_TEST_DIR";
const POINT: &str = "PLIMSOLL_QUEUE_TEST_POINT";
const ROUND: &str = "PLIMSOLL_QUEUE_TEST_ROUND";
const ROUNDS: u64 = 100;
/// Jobs lent at once.
const IN_FLIGHT: usize = 4;
const KEYS: u64 = 3;
/// Far away.
const LATER: u64 = 1 << 40;

/// A job for each number: its key follows from the number, and whether it dies.
fn job(n: u64) -> NewJob {
    NewJob {
        secret: n as u128,
        lane: "l".into(),
        tenant: String::new(),
        weight: 1,
        key: Some(format!("k{}", n % KEYS)),
        blocks: false,
        enqueued_ms: 0,
        due_ms: 0,
        expires_ms: LATER,
        title: String::new(),
        head: Vec::new(),
        payload: n.to_string().repeat(100).into_bytes(),
    }
}

fn end(n: u64) -> Finish {
    match n % 5 {
        0 => Finish::Dead {
            reason: "400".into(),
            result: Vec::new(),
        },
        _ => Finish::Done { result: Vec::new() },
    }
}

/// Lines that outlive the process: what a client was told, and what a receiver got.
fn journal(dir: &Path, name: &str) -> File {
    let path = dir.join(name);
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

fn numbers(dir: &Path, name: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    text.lines().map(|l| l.parse().unwrap()).collect()
}

/// Kills itself a little later, while the disk may be at work.
fn die(spin: u64) -> ! {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(spin) {}
    kill_process(getpid(), Signal::KILL).unwrap();
    unreachable!("nobody survives that")
}

/// Not a test: the process that is killed. Accepts and delivers jobs until it comes to its point.
#[test]
#[ignore = "run by the tests below, as a child"]
fn child() {
    let var = |name| std::env::var(name).ok();
    let (Some(dir), Some(point), Some(round)) = (var(DIR), var(POINT), var(ROUND)) else {
        return;
    };
    let (dir, round): (&Path, u64) = (dir.as_ref(), round.parse().unwrap());
    let store = Embedded::open(dir.join("queue.db")).unwrap();
    let (mut told, mut got) = (journal(dir, "told"), journal(dir, "got"));
    // Numbers that no client was told of may be there, too.
    let mut next = 1_000 * round;
    let (last, spin) = (1 + round % 2, round * 37 % 400);
    for turn in 0.. {
        let here = |name: &str| turn >= last && point == name;
        for _ in 0..2 {
            let ack = store.enqueue(vec![job(next)], Bounds::NONE);
            if here("before-sync") {
                die(spin);
            }
            ack.wait().unwrap();
            if here("before-202") {
                die(0);
            }
            writeln!(told, "{next}").unwrap();
            next += 1;
        }
        let leased = store.lease("l", IN_FLIGHT, LATER, 0).wait().unwrap();
        if here("leased") {
            die(0);
        }
        for job in leased {
            writeln!(got, "{}", job.id.secret).unwrap();
            if here("received") {
                die(0);
            }
            let how = end(job.id.secret as u64);
            let dies = matches!(how, Finish::Dead { .. });
            let ack = store.finish(job.id, job.attempt, how, 0);
            if here("ack-before-sync") || here("dead-letter") && dies {
                die(spin);
            }
            ack.wait().unwrap();
        }
        assert!(turn < 50, "the point was never reached");
    }
}

fn killed_at(point: &str) {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--quiet"])
            .env(DIR, dir.path())
            .env(POINT, point)
            .env(ROUND, round.to_string())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(
            !status.success() && status.code().is_none(),
            "round {round} ended with {status}"
        );
    }
    drain(dir.path());
    check(dir.path());
}

/// Delivers what is left.
fn drain(dir: &Path) {
    let store = Embedded::open(dir.join("queue.db")).unwrap();
    let mut got = journal(dir, "got");
    loop {
        let leased: Vec<Leased> = store.lease("l", IN_FLIGHT, LATER, 0).wait().unwrap();
        if leased.is_empty() {
            break;
        }
        for job in leased {
            let n = job.id.secret as u64;
            assert_eq!(job.payload.read().unwrap(), self::job(n).payload);
            writeln!(got, "{n}").unwrap();
            assert!(store.finish(job.id, job.attempt, end(n), 0).wait().unwrap());
        }
    }
}

fn check(dir: &Path) {
    let store = Embedded::open(dir.join("queue.db")).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let mut ended: BTreeMap<u64, State> = BTreeMap::new();
    for state in State::ALL {
        let mut after = 0;
        while let jobs @ [.., last] = &store.jobs("l", state, after, 1000).unwrap()[..] {
            after = last.id.seq;
            let all = jobs.iter().map(|j| (j.id.secret as u64, j.state));
            for (n, state) in all {
                assert_eq!(ended.insert(n, state), None, "job {n} is there twice");
            }
        }
    }
    let told = numbers(dir, "told");
    assert!(told.len() as u64 >= ROUNDS * 2);
    for n in &told {
        let should = match end(*n) {
            Finish::Dead { .. } => State::Dead,
            _ => State::Done,
        };
        assert_eq!(ended.get(n), Some(&should), "job {n} was accepted");
    }
    assert!(ended.values().all(|s| s.has_ended()));
    let got = numbers(dir, "got");
    let once: BTreeSet<u64> = got.iter().copied().collect();
    assert!(ended.keys().eq(&once), "what ended was delivered");
    let twice = got.len() - once.len();
    assert!(twice as u64 <= ROUNDS * IN_FLIGHT as u64, "{twice}");
    for key in 0..KEYS {
        let of_key: Vec<u64> = got.iter().copied().filter(|n| n % KEYS == key).collect();
        assert!(of_key.is_sorted(), "key {key}: {of_key:?}");
    }
    let lane = store.lanes().unwrap().remove(0);
    assert_eq!((lane.waiting, lane.bytes), (0, 0));
    let unknown = JobId {
        seq: 1,
        secret: u128::MAX,
    };
    assert_eq!(store.job(unknown).unwrap(), None);
}

#[test]
fn before_the_job_is_on_disk() {
    killed_at("before-sync");
}

#[test]
fn on_disk_and_nobody_told() {
    killed_at("before-202");
}

#[test]
fn leased() {
    killed_at("leased");
}

#[test]
fn delivered_and_not_acknowledged() {
    killed_at("received");
}

#[test]
fn acknowledged_and_not_on_disk() {
    killed_at("ack-before-sync");
}

#[test]
fn on_its_way_to_the_dead() {
    killed_at("dead-letter");
}

/// Subscriptions of each event.
const LANES: [&str; 3] = ["a", "b", "c"];

fn event(n: u64) -> NewMessage {
    let of_lane = |lane: &&str| NewJob {
        lane: (*lane).into(),
        payload: Vec::new(),
        key: None,
        ..job(n)
    };
    NewMessage {
        digest: (n as u128).to_be_bytes(),
        at_ms: 0,
        head: n.to_string().into_bytes(),
        payload: job(n).payload,
        jobs: LANES.iter().map(of_lane).collect(),
    }
}

/// Not a test: publishes, delivers from one lane in between, and is killed.
#[test]
#[ignore = "run by the test below, as a child"]
fn publisher() {
    let var = |name| std::env::var(name).ok();
    let (Some(dir), Some(round)) = (var(DIR), var(ROUND)) else {
        return;
    };
    let (dir, round): (&Path, u64) = (dir.as_ref(), round.parse().unwrap());
    let store = Embedded::open(dir.join("queue.db")).unwrap();
    let (mut told, mut got) = (journal(dir, "told"), journal(dir, "got"));
    let wide = TopicBounds {
        events: u64::MAX,
        bytes: u64::MAX,
        since_ms: 0,
    };
    for turn in 0..4 {
        let first = 1000 * round + 2 * turn;
        let both = vec![event(first), event(first + 1)];
        let ack = store.publish("t", both, wide);
        if turn == 3 {
            die(round * 37 % 400);
        }
        ack.wait().unwrap();
        writeln!(told, "{first}\n{}", first + 1).unwrap();
        for job in store.lease("a", 2, LATER, 0).wait().unwrap() {
            writeln!(got, "{}", String::from_utf8(job.head).unwrap()).unwrap();
            let done = Finish::Done { result: Vec::new() };
            store.finish(job.id, job.attempt, done, 0).wait().unwrap();
        }
    }
}

#[test]
fn a_fan_out_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS / 2 {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "publisher", "--ignored", "--quiet"])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.code().is_none(), "round {round} ended with {status}");
    }
    let store = Embedded::open(dir.path().join("queue.db")).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let kept = store.events("t", 0, 10_000).unwrap();
    let number = |head: &[u8]| String::from_utf8(head.to_vec()).unwrap().parse().unwrap();
    let there: BTreeSet<u64> = kept.iter().map(|e| number(&e.head)).collect();
    assert_eq!(there.len(), kept.len(), "no event is there twice");
    // Whether it is there without anybody having been told, one of two is not there without the other.
    assert!(there.iter().all(|n| there.contains(&(n ^ 1))));
    let told = numbers(dir.path(), "told");
    assert!(told.len() as u64 >= 3 * ROUNDS);
    assert!(told.iter().all(|n| there.contains(n)), "an event is lost");
    let mut got: BTreeSet<u64> = numbers(dir.path(), "got").into_iter().collect();
    for lane in LANES {
        let mut seen = BTreeSet::new();
        while let leased @ [_, ..] = &store.lease(lane, 100, LATER, 0).wait().unwrap()[..] {
            for job in leased {
                assert!(seen.insert(number(&job.head)));
                let done = Finish::Done { result: Vec::new() };
                assert!(store.finish(job.id, job.attempt, done, 0).wait().unwrap());
            }
        }
        seen.append(&mut got);
        assert_eq!(seen, there, "lane {lane}");
    }
    assert_eq!(store.trim("t", 1, 10_000).wait().unwrap(), there.len());
}
