//! Topics of several nodes: the suites, and what only several nodes and a server can get wrong.

use super::{Nodes, RIGHTS, options, start};
use crate::remote;
use crate::suite;
use peers::{NatsOptions, there};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::nats::{Nats, Options, Topics};
use store::{
    Embedded, Error, Finish, Job, Kv, Lane, Leased, Message, NewJob, NewMessage, Payload, Put,
    Queue, State, Topic, TopicBounds, Topics as _,
};

const SYNCED: &str = "sync_interval: always";
const WIDE: TopicBounds = TopicBounds {
    events: 100_000,
    bytes: 1 << 30,
    since_ms: 0,
};

fn opened(options: &Options, dir: &Path) -> Topics {
    let copy = Arc::new(Embedded::open(dir.join("topics.db")).unwrap());
    Topics::open(options, copy, Box::new(|| {})).unwrap()
}

fn node(peer: &peers::Nats, prefix: &str, dir: &Path) -> Topics {
    opened(&options(peer.url(), prefix), dir)
}

#[test]
fn nats_has_topics_and_what_is_kept_beside_them() {
    let Some(server) = start("") else {
        return;
    };
    let nodes = Nodes::of(&server.peer, node);
    suite::topics::all(&nodes);
    suite::kv::all(&nodes);
}

fn event(n: u64, lanes: &[&str], key: Option<&str>) -> NewMessage {
    let job = |lane: &&str| NewJob {
        head: Vec::new(),
        payload: Vec::new(),
        key: key.map(str::to_owned),
        ..suite::queue::new(lane, "")
    };
    NewMessage {
        digest: u128::from(n).to_be_bytes(),
        at_ms: n,
        head: b"h".to_vec(),
        payload: n.to_string().into_bytes(),
        jobs: lanes.iter().map(job).collect(),
    }
}

fn publish(q: &Topics, n: u64, lanes: &[&str]) -> Result<bool, Error> {
    let said = q.publish("t", vec![event(n, lanes, None)], WIDE).wait()?;
    Ok(!said[0].duplicate)
}

fn done() -> Finish {
    Finish::Done { result: Vec::new() }
}

fn number(job: &Leased) -> u64 {
    let Payload::Inline(bytes) = &job.payload else {
        panic!("{job:?}")
    };
    String::from_utf8_lossy(bytes).parse().unwrap()
}

/// All that a copy says, wherever its large payloads are.
type Said = (Vec<Topic>, Vec<Message>, Vec<Lane>, Vec<Job>);

fn said(q: &Topics) -> Said {
    let lanes = q.lanes().unwrap();
    let jobs = lanes.iter().flat_map(|lane| {
        let of = |state| q.jobs(&lane.name, state, 0, 10_000).unwrap();
        State::ALL.into_iter().flat_map(of)
    });
    let jobs = jobs.collect();
    let mut events = q.events("t", 0, 10_000).unwrap();
    for e in &mut events {
        e.payload = Payload::Inline(e.payload.clone().read().unwrap());
    }
    (q.topics().unwrap(), events, lanes, jobs)
}

/// Until the other has done what the first has.
fn until_equal(first: &Topics, other: &Topics) {
    let end = Instant::now() + Duration::from_secs(20);
    while first.following().applied != other.following().applied {
        assert!(Instant::now() < end, "{:?}", other.following());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(said(first), said(other));
}

#[test]
fn whoever_publishes_and_whoever_delivers_each_event_is_delivered_once() {
    const EVENTS: u64 = 300;
    let Some(server) = start(SYNCED) else {
        return;
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let nodes = [0, 1].map(|i| node(&server.peer, "p", dirs[i].path()));
    let got: Mutex<BTreeMap<(&str, u64), u64>> = Mutex::default();
    let fresh = AtomicU64::new(0);
    std::thread::scope(|s| {
        for (i, node) in nodes.iter().enumerate() {
            // Both publish the same events; each is one.
            let fresh = &fresh;
            s.spawn(move || {
                for n in 0..EVENTS {
                    let n = if i == 0 { n } else { EVENTS - 1 - n };
                    fresh.fetch_add(u64::from(publish(node, n, &["a", "b"]).unwrap()), SeqCst);
                }
            });
            for lane in ["a", "b"] {
                let got = &got;
                s.spawn(move || {
                    let end = Instant::now() + Duration::from_secs(60);
                    let all = || got.lock().unwrap().keys().filter(|k| k.0 == lane).count();
                    while all() < EVENTS as usize {
                        assert!(Instant::now() < end);
                        let leased = node.lease(lane, 7, 1 << 40, 5).wait().unwrap();
                        if leased.is_empty() {
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        for job in leased {
                            *got.lock().unwrap().entry((lane, number(&job))).or_default() += 1;
                            assert!(node.finish(job.id, 1, done(), 6).wait().unwrap());
                        }
                    }
                });
            }
        }
    });
    assert_eq!(fresh.load(SeqCst), EVENTS);
    let got = got.into_inner().unwrap();
    assert!(got.len() == 2 * EVENTS as usize && got.values().all(|n| *n == 1));
    let [a, b] = &nodes;
    until_equal(a, b);
    until_equal(a, &node(&server.peer, "p", dirs[2].path()));
    assert!(a.lanes().unwrap().iter().all(|l| l.waiting == 0));
}

#[test]
fn whatever_is_done_at_whichever_node_all_copies_are_equal() {
    let Some(server) = start("") else {
        return;
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let open = |i: usize| node(&server.peer, "p", dirs[i].path());
    let mut nodes = [open(0), open(1)];
    let mut rng = StdRng::seed_from_u64(7);
    let tight = TopicBounds {
        events: 40,
        bytes: 1 << 30,
        since_ms: 0,
    };
    let mut held: Vec<Leased> = Vec::new();
    for step in 0..600u64 {
        let at = rng.random_range(0..2);
        let q = &nodes[at];
        match rng.random_range(0..12) {
            0..4 => {
                let lanes: &[&str] = [&["a"][..], &["a", "b"], &[]][rng.random_range(0..3)];
                let key = ["x", "y"][rng.random_range(0..2)];
                let n = rng.random_range(0..300);
                let mut new = event(n, lanes, (n % 3 == 0).then_some(key));
                new.jobs.iter_mut().for_each(|j| j.expires_ms = step + 150);
                if n % 50 == 1 {
                    new.payload = vec![n as u8; 70 << 10];
                }
                match q.publish("t", vec![new], tight).wait() {
                    Ok(_) | Err(Error::Full { .. }) => {}
                    Err(e) => panic!("{e}"),
                }
            }
            4..6 => {
                let lane = ["a", "b"][rng.random_range(0..2)];
                held.extend(q.lease(lane, 3, step + 60, step).wait().unwrap());
            }
            6..9 if !held.is_empty() => {
                let job = held.swap_remove(rng.random_range(0..held.len()));
                let reason = || "r".to_owned();
                let how = match rng.random_range(0..4) {
                    0 => Finish::Retry {
                        at_ms: step + 5,
                        reason: reason(),
                    },
                    1 => Finish::Dead {
                        reason: reason(),
                        result: vec![1],
                    },
                    _ => done(),
                };
                q.finish(job.id, job.attempt, how, step).wait().unwrap();
            }
            9 => {
                q.expire("a", step, 10).wait().unwrap();
                q.trim("t", step / 2, 5).wait().unwrap();
                q.forget(step, step.saturating_sub(100), 5).wait().unwrap();
            }
            10 => {
                for dead in q.jobs("a", State::Dead, 0, 2).unwrap() {
                    q.redrive(dead.id, step, step + 100).wait().unwrap();
                }
                let put = Put::new(format!("k{}", step % 5), vec![step as u8]);
                q.put(put, step).wait().unwrap();
            }
            // It ends, and begins again where it was.
            11 if step % 5 == 0 => {
                let other = &nodes[1 - at];
                until_equal(other, q);
                let [a, b] = nodes;
                let (ends, stays) = if at == 0 { (a, b) } else { (b, a) };
                drop(ends);
                let again = open(at);
                nodes = if at == 0 {
                    [again, stays]
                } else {
                    [stays, again]
                };
                let back = nodes[1 - at].lanes().unwrap();
                assert!(back.len() <= 2);
            }
            _ => {}
        }
        if step % 50 == 0 {
            until_equal(&nodes[at], &nodes[1 - at]);
        }
    }
    let [a, b] = &nodes;
    until_equal(a, b);
    until_equal(a, &open(2));
    let kept = |q: &Topics| q.scan("k", None, 10, 0).unwrap();
    assert_eq!(kept(a), kept(b));
    assert!(!kept(a).is_empty() && !a.events("t", 0, 100).unwrap().is_empty());
}

#[test]
fn of_a_node_that_is_killed_leases_end_in_their_time_and_without_the_server_nothing_is_lost() {
    let Some(mut server) = start(SYNCED) else {
        return;
    };
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [a, b] = [0, 1].map(|i| node(&server.peer, "p", dirs[i].path()));
    for n in 0..10 {
        assert!(publish(&a, n, &["l"]).unwrap());
    }
    assert_eq!(a.lease("l", 4, 100, 5).wait().unwrap().len(), 4);
    until_equal(&a, &b);
    // It gives nothing back.
    std::mem::forget(a);
    let rest = b.lease("l", 100, 100, 5).wait().unwrap();
    assert_eq!(rest.len(), 6);
    for job in &rest[1..] {
        assert_eq!(b.finish(job.id, 1, done(), 6).wait(), Ok(true));
    }
    assert!(b.lease("l", 100, 200, 99).wait().unwrap().is_empty());

    server.peer.stop();
    let begun = Instant::now();
    while publish(&b, 100, &["l"]).is_ok() {}
    let away = publish(&b, 101, &["l"]).unwrap_err();
    assert!(matches!(away, Error::Away { .. }), "{away}");
    assert!(begun.elapsed() < remote::BOUNDED);
    remote::until_wrong("is it running", || b.following().wrong);
    // What is under way ends when it is back, and what is there can be read meanwhile.
    assert!(b.finish(rest[0].id, 1, done(), 7).wait().is_err());
    assert!(b.events("t", 0, 100).unwrap().len() >= 10);
    assert!(matches!(
        b.lease("l", 1, 300, 200).wait(),
        Err(Error::Away { .. })
    ));
    server.peer.start_again().unwrap();
    remote::until_answered(
        || b.finish(rest[0].id, 1, done(), 8).wait().is_ok(),
        || b.following(),
    );
    let late = b.lease("l", 100, 300, 100).wait().unwrap();
    let again = late.iter().filter(|j| number(j) < 10);
    assert_eq!(again.clone().count(), 4, "{late:?}");
    assert!(again.clone().all(|j| j.attempt == 2));

    // Closed in order, all is given back at once.
    drop(b);
    let b = node(&server.peer, "p", dirs[1].path());
    let back = b.lease("l", 100, 300, 101).wait().unwrap();
    assert_eq!(back.len(), late.len());
    assert!(
        back.iter()
            .filter(|j| number(j) < 10)
            .all(|j| j.attempt == 3)
    );

    // Empty, it is another stream: nothing is mixed with what the copy has.
    server.peer.stop();
    server.peer.start_empty().unwrap();
    remote::until_wrong("copy of another stream of JetStream", || {
        b.following().wrong
    });
    let refused = publish(&b, 200, &["l"]).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
}

fn stored(server: &remote::Server<Nats>) -> (u64, u64) {
    let nats = Nats::open_to_look(&options(server.peer.url(), "p"));
    let told = nats.and_then(|nats| nats.settings()).unwrap();
    let topics = told.buckets.into_iter().find(|b| b.stream == "p_topics");
    let topics = topics.unwrap();
    (topics.first, topics.last)
}

#[test]
fn a_full_topic_is_refused_without_a_message_and_a_stream_that_fills_lets_its_beginning_go() {
    let Some(server) = start("") else {
        return;
    };
    let small = Options {
        topics: Some(2 << 20),
        ..options(server.peer.url(), "p")
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [a, b] = [0, 1].map(|i| opened(&small, dirs[i].path()));
    let few = TopicBounds { events: 3, ..WIDE };
    for n in 0..3 {
        a.publish("t", vec![event(n, &["l"], None)], few)
            .wait()
            .unwrap();
    }
    until_equal(&a, &b);
    let (_, before) = stored(&server);
    for n in 3..30 {
        let full = b.publish("t", vec![event(n, &["l"], None)], few).wait();
        assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
    }
    // And what nobody has to do is not asked for, either.
    assert!(b.lease("none", 9, 9, 5).wait().unwrap().is_empty());
    assert_eq!(b.trim("t", 0, 9).wait(), Ok(0));
    assert_eq!(stored(&server).1, before);
    for job in a.lease("l", 9, 100, 5).wait().unwrap() {
        assert!(a.finish(job.id, 1, done(), 6).wait().unwrap());
    }
    // It fills: what was done is known to both, and goes.
    let mut n = 1000;
    let mut add = |q: &Topics| {
        n += 1;
        let mut new = event(n, &[], None);
        new.payload = vec![1; 50_000];
        q.publish("t", vec![new], few).wait().map(drop)
    };
    let full = (0..100).find_map(|_| add(&a).err()).expect("it fills");
    assert!(full.to_string().contains("raise its max_bytes"), "{full}");
    until_equal(&a, &b);
    a.forget(0, 0, 10).wait().unwrap();
    let (first, last) = stored(&server);
    assert!(first > 1 && first < last, "{first} {last}");
    add(&b).unwrap();
    until_equal(&b, &a);
    // Who joins now is given a copy, large payloads and all.
    let payload = vec![7; 200_000];
    let mut large = event(5000, &["l"], None);
    large.payload = payload.clone();
    a.publish("t", vec![large], few).wait().unwrap();
    a.forget(0, 0, 10).wait().unwrap();
    let joins = opened(&small, dirs[2].path());
    until_equal(&a, &joins);
    assert_eq!(joins.following().wrong, None);
    let leased = joins.lease("l", 9, 1 << 40, 7).wait().unwrap();
    let [job] = leased.as_slice() else {
        panic!("{leased:?}")
    };
    let Payload::File(path) = &job.payload else {
        panic!("{:?}", job.payload)
    };
    assert!(path.starts_with(dirs[2].path()));
    assert_eq!(std::fs::read(path).unwrap(), payload);
    assert!(joins.finish(job.id, 1, done(), 8).wait().unwrap());
    until_equal(&joins, &a);
}

#[test]
fn a_lease_for_which_nobody_waited_is_given_back_and_a_stalled_server_stores_nothing_later() {
    let Some(server) = start(SYNCED) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let q = node(&server.peer, "p", dir.path());
    assert!(publish(&q, 1, &["l"]).unwrap());
    server.peer.stall(true);
    let begun = Instant::now();
    let lost = q.lease("l", 1, 1 << 40, 5);
    let late: Vec<_> = (0..200)
        .map(|i| q.publish("t", vec![event(100 + i, &[], None)], WIDE))
        .collect();
    assert!(matches!(lost.wait(), Err(Error::Away { .. })));
    for ack in late {
        assert!(matches!(ack.wait(), Err(Error::Away { .. })));
    }
    assert!(begun.elapsed() < remote::BOUNDED);
    server.peer.stall(false);
    // Whether it was stored or not, somebody has it in the end, long before such a lease is over.
    let got = RefCell::new(Vec::new());
    remote::until_answered(
        || {
            let leased = q.lease("l", 1, 1 << 40, 6).wait();
            got.replace(leased.unwrap_or_default());
            !got.borrow().is_empty()
        },
        || q.following(),
    );
    assert_eq!(got.borrow()[0].attempt, 1);
    assert!(q.events("t", 0, 1000).unwrap().len() <= 1 + 64);
}

#[test]
fn a_file_that_is_of_something_else_is_refused_and_the_rights_of_the_page_are_enough() {
    let secured = NatsOptions {
        more: RIGHTS,
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(secured)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let with = |prefix: &str| {
        let url = peer.url().replace("://", "://u:hunter2@");
        opened(&options(url, prefix), dir.path())
    };
    for n in 1..3 {
        let q = with("p");
        assert!(publish(&q, n, &["l"]).unwrap());
        assert_eq!(q.lease("l", 9, 100, 5).wait().unwrap().len() as u64, n);
        q.forget(0, 0, 9).wait().unwrap();
        assert_eq!((q.stander())().wrong, None);
    }
    // Alone nothing is done to it.
    let alone = Embedded::open(dir.path().join("topics.db")).unwrap();
    let refused = alone.publish("t", vec![event(9, &[], None)], WIDE).wait();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("engines.durable"), "{refused}");
    assert_eq!(alone.events("t", 0, 10).unwrap().len(), 2);
    drop(alone);
    // And one that has jobs of its own is not mixed with what all have.
    let dir = tempfile::tempdir().unwrap();
    let alone = Embedded::open(dir.path().join("topics.db")).unwrap();
    let own = alone.publish("t", vec![event(9, &["l"], None)], WIDE);
    own.wait().unwrap();
    drop(alone);
    let url = peer.url().replace("://", "://u:hunter2@");
    let refused = opened(&options(url, "p"), dir.path());
    remote::until_wrong("jobs of this node alone", || refused.following().wrong);
}

/// Prints a row of the table of ADR 369: events per second, each for one subscription.
#[test]
#[ignore = "measures: run it alone, with --nocapture"]
fn how_fast_it_is() {
    const EVENTS: u64 = 6_400;
    const PUBLISHERS: u64 = 128;
    for (name, jetstream) in [("always", SYNCED), ("default", "")] {
        let Some(server) = start(jetstream) else {
            return;
        };
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let nodes = [0, 1].map(|i| node(&server.peer, "p", dirs[i].path()));
        let [q, other] = &nodes;
        let rate = |begun: Instant| (EVENTS as f64 / begun.elapsed().as_secs_f64()) as u64;
        let begun = Instant::now();
        std::thread::scope(|s| {
            for p in 0..PUBLISHERS {
                s.spawn(move || {
                    for n in 0..EVENTS / PUBLISHERS {
                        let mut new = event(p * EVENTS + n, &["l"], None);
                        new.payload = vec![7; 1024];
                        q.publish("t", vec![new], WIDE).wait().unwrap();
                    }
                });
            }
        });
        let published = rate(begun);
        let begun = Instant::now();
        let mut leased = 0;
        let mut all = Vec::new();
        while leased < EVENTS as usize {
            let got = q.lease("l", 64, 1 << 39, 5).wait().unwrap();
            leased += got.len();
            all.push(got);
        }
        let lent = rate(begun);
        let begun = Instant::now();
        for some in &all {
            let acks: Vec<_> = (some.iter())
                .map(|job| q.finish(job.id, job.attempt, done(), 6))
                .collect();
            acks.into_iter()
                .for_each(|ack| assert_eq!(ack.wait(), Ok(true)));
        }
        let finished = rate(begun);
        until_equal(q, other);
        println!("| {name} | {published} | {lent} | {finished} |");
    }
}
