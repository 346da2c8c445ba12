//! Streams of events of several nodes: the suite, and what only several nodes and a server can get wrong.

use super::{Nodes, RIGHTS, options, start};
use crate::remote;
use crate::suite::{self, log::event};
use peers::{NatsOptions, there};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use store::nats::{Events, Nats, News};
use store::{Embedded, Error, Expect, Log, NewEvent, Record};

const SYNCED: &str = "sync_interval: always";

/// A node whose file is in that directory.
pub fn opened(url: String, prefix: &str, dir: &Path, news: News) -> Events {
    let options = options(url, prefix);
    let values = Arc::new(Nats::open(&options).unwrap());
    Events::open(&options, values, copy(dir), news).unwrap()
}

fn copy(dir: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::open(dir.join("events.db")).unwrap())
}

fn node(peer: &peers::Nats, prefix: &str, dir: &Path) -> Events {
    opened(peer.url(), prefix, dir, Box::new(|_| {}))
}

#[test]
fn nats_is_a_log() {
    let Some(server) = start("") else {
        return;
    };
    suite::log::all(&Nodes::of(&server.peer, node));
}

fn add(log: &Events, stream: &str, expect: Expect, text: &str) -> Result<u64, Error> {
    let events = vec![event("k", text.as_bytes())];
    log.append(stream, expect, events)
        .wait()
        .map(|a| a.position)
}

fn all(log: &Events) -> Vec<Record> {
    log.read_all(0, 10_000).unwrap()
}

/// Waits until the node has as many events.
fn until(log: &Events, last: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while log.ends().unwrap().last < last {
        assert!(Instant::now() < end, "{:?}", log.following());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn until_wrong(log: &Events, says: &str) {
    remote::until_wrong(says, || log.following().wrong);
}

#[test]
fn of_two_that_expect_the_same_one_is_told_and_all_copies_are_equal() {
    let Some(server) = start(SYNCED) else {
        return;
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let nodes = [0, 1].map(|i| Arc::new(node(&server.peer, "p", dirs[i].path())));
    let writers: Vec<_> = (0..4u64)
        .map(|w| {
            let node = nodes[w as usize % 2].clone();
            std::thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(w);
                let mut won = Vec::new();
                for i in 0..100 {
                    let stream = format!("s/{}", rng.random_range(0..3));
                    let version = node.version(&stream).unwrap();
                    let expect = match rng.random_range(0..3) {
                        0 => Expect::Any,
                        _ => Expect::Version(version),
                    };
                    // Some ids are those of others.
                    let events: Vec<NewEvent> = (0..rng.random_range(1..4))
                        .map(|_| NewEvent {
                            id: rng.random_range(0..200).to_string(),
                            ..event("k", format!("{w}-{i}").as_bytes())
                        })
                        .collect();
                    match node.append(&stream, expect, events).wait() {
                        Ok(done) if done.added > 0 => {
                            if expect == Expect::Version(version) {
                                assert_eq!(done.version, version + done.added as u64);
                            }
                            won.push((stream.clone(), done.version));
                            // What was told is there to read, at once.
                            assert!(node.version(&stream).unwrap() >= done.version);
                            assert!(node.ends().unwrap().last >= done.position);
                        }
                        Ok(_) => {}
                        Err(e) => assert!(e.is_conflict(), "{e}"),
                    }
                }
                won
            })
        })
        .collect();
    let won: Vec<_> = (writers.into_iter())
        .flat_map(|w| w.join().unwrap())
        .collect();
    let distinct: BTreeSet<_> = won.iter().collect();
    assert_eq!(distinct.len(), won.len(), "no version was given twice");
    let last = nodes.iter().map(|n| n.ends().unwrap().last).max().unwrap();
    nodes.iter().for_each(|n| until(n, last));
    let first = all(&nodes[0]);
    assert_eq!(first, all(&nodes[1]));
    let positions: Vec<u64> = first.iter().map(|r| r.position).collect();
    assert_eq!(positions, (1..=last).collect::<Vec<_>>());
    // One that comes later reads it all.
    let fresh = node(&server.peer, "p", dirs[2].path());
    until(&fresh, last);
    assert_eq!(all(&fresh), first);
    for stream in ["s/0", "s/1", "s/2"] {
        assert_eq!(
            fresh.version(stream).unwrap(),
            nodes[0].version(stream).unwrap()
        );
    }
}

#[test]
fn what_was_away_catches_up_and_goes_on_by_itself() {
    let Some(mut server) = start(SYNCED) else {
        return;
    };
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let heard = Arc::new(AtomicU64::new(0));
    let hears = heard.clone();
    let news = Box::new(move |last| hears.store(last, SeqCst));
    let first = opened(server.peer.url(), "p", dirs[0].path(), news);
    let second = node(&server.peer, "p", dirs[1].path());
    for i in 0..50 {
        add(&second, "a", Expect::Version(i), "x").unwrap();
    }
    until(&first, 50);
    drop(second);
    for i in 50..200 {
        add(&first, "a", Expect::Version(i), "x").unwrap();
    }
    let second = node(&server.peer, "p", dirs[1].path());
    until(&second, 200);
    assert_eq!(all(&first), all(&second));

    server.peer.stop();
    let begun = Instant::now();
    while add(&first, "a", Expect::Any, "lost").is_ok() {}
    let away = add(&first, "a", Expect::Any, "lost").unwrap_err();
    assert!(matches!(away, Error::Away { .. }), "{away}");
    assert!(begun.elapsed() < remote::BOUNDED);
    until_wrong(&first, "is it running");
    assert!(all(&first).len() >= 200, "it can be read");
    server.peer.start_again().unwrap();
    remote::until_answered(
        || add(&first, "b", Expect::Any, "back").is_ok(),
        || first.following(),
    );
    let last = first.ends().unwrap().last;
    until(&second, last);
    assert_eq!(all(&first), all(&second));
    assert_eq!(heard.load(SeqCst), last);
    assert_eq!(first.following().wrong, None);
    assert!(!first.following().behind);

    // Empty, it is another stream: nothing is mixed with what the copies have.
    server.peer.stop();
    server.peer.start_empty().unwrap();
    until_wrong(&first, "copy of another stream of JetStream");
    let refused = add(&first, "b", Expect::Any, "no").unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert_eq!(first.ends().unwrap().last, last);
}

#[test]
fn what_all_let_go_is_gone_everywhere_and_who_joins_then_fetches_a_copy() {
    let Some(server) = start("") else {
        return;
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [first, second] = [0, 1].map(|i| node(&server.peer, "p", dirs[i].path()));
    for i in 0..40 {
        add(&first, "a", Expect::Version(i), "x").unwrap();
    }
    until(&second, 40);
    drop(second);
    // Nothing is old enough; then all is.
    assert_eq!(first.trim(0, 1000).wait(), Ok(0));
    assert_eq!(first.trim(u64::MAX, 30).wait(), Ok(30));
    assert_eq!(first.ends().unwrap().gone, 30);
    // What was stored a moment ago stays for whoever was away, and he lets the same go.
    let second = node(&server.peer, "p", dirs[1].path());
    let end = Instant::now() + Duration::from_secs(20);
    while all(&second).len() > 10 {
        assert!(Instant::now() < end, "{:?}", second.following());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(all(&first), all(&second));
    let messages = || {
        let nats = Nats::open_to_look(&options(server.peer.url(), "p"));
        let told = nats.and_then(|nats| nats.settings()).unwrap();
        let events = told.buckets.into_iter().find(|b| b.stream == "p_events");
        let events = events.unwrap();
        events.last + 1 - events.first
    };
    assert_eq!(messages(), 41);
    first.let_go(0).wait().unwrap();
    assert_eq!(messages(), 41);
    first.let_go(u64::MAX).wait().unwrap();
    assert_eq!(messages(), 1);
    // Those that are there go on, also after a restart.
    assert_eq!(add(&first, "a", Expect::Version(40), "y").unwrap(), 41);
    until(&second, 41);
    first.let_go(u64::MAX).wait().unwrap();
    drop(second);
    let second = node(&server.peer, "p", dirs[1].path());
    assert_eq!(add(&second, "a", Expect::Version(41), "z").unwrap(), 42);
    // Who joins is given what there is, and goes on.
    let joins = node(&server.peer, "p", dirs[2].path());
    until(&joins, 42);
    assert_eq!(all(&first), all(&joins));
    assert_eq!(add(&joins, "a", Expect::Version(42), "!").unwrap(), 43);
    until(&first, 43);
    // One that was away when more went: it is told so as long as nobody can give it a copy, and needs no restart.
    drop(joins);
    for version in [43, 44] {
        add(&first, "a", Expect::Version(version), "away").unwrap();
    }
    first.let_go(u64::MAX).wait().unwrap();
    until(&second, 45);
    drop((first, second));
    let joins = node(&server.peer, "p", dirs[2].path());
    until_wrong(&joins, "no other node that follows offers one");
    assert!(add(&joins, "a", Expect::Any, "no").is_err());
    assert_eq!(joins.ends().unwrap().last, 43);
    let first = node(&server.peer, "p", dirs[0].path());
    until(&joins, 45);
    let follows = || add(&joins, "a", Expect::Version(45), "back").is_ok();
    remote::until_answered(follows, || joins.following());
    until(&first, 46);
    assert_eq!(all(&first), all(&joins));
    let left: Vec<_> = [0, 2]
        .iter()
        .flat_map(|i| std::fs::read_dir(dirs[*i].path()).unwrap().flatten())
        .map(|f| f.file_name().into_string().unwrap())
        .filter(|name| name.contains("fetched") || name.contains("handed"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn who_may_not_answer_others_goes_on_and_they_are_told_why() {
    let silent = RIGHTS.replace(r#"publish: ["_INBOX.>""#, "publish: [");
    assert_ne!(silent, RIGHTS);
    let silent = NatsOptions {
        more: silent.leak(),
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(silent)) else {
        return;
    };
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let url = peer.url().replace("://", "://u:hunter2@");
    let [first, joins] = [0, 1].map(|i| {
        let node = opened(url.clone(), "p", dirs[i].path(), Box::new(|_| {}));
        if i == 0 {
            add(&node, "a", Expect::Any, "x").unwrap();
            add(&node, "a", Expect::Any, "y").unwrap();
            node.let_go(u64::MAX).wait().unwrap();
        }
        node
    });
    until_wrong(&joins, "right to publish to `_INBOX.>`");
    assert_eq!(add(&first, "a", Expect::Any, "z").unwrap(), 3);
    assert_eq!(first.following().wrong, None);
}

#[test]
fn a_file_that_is_of_something_else_is_refused_and_says_what_to_do() {
    let Some(server) = start("") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mine = node(&server.peer, "p", dir.path());
    add(&mine, "a", Expect::Any, "x").unwrap();
    drop(mine);
    let other = node(&server.peer, "other", dir.path());
    until_wrong(&other, "copy of another stream");
    assert!(add(&other, "a", Expect::Any, "x").is_err());
    drop(other);
    // Alone nothing is appended to it.
    let alone = Embedded::open(dir.path().join("events.db")).unwrap();
    let refused = alone.append("a", Expect::Any, vec![event("k", b"x")]);
    let refused = refused.wait().unwrap_err().to_string();
    assert!(refused.contains("engines.durable"), "{refused}");
    assert!(alone.trim(u64::MAX, 10).wait().is_err());
    assert_eq!(alone.read_all(0, 10).unwrap().len(), 1);
    drop(alone);
    // And one that has events of its own is not mixed with those of all.
    let dir = tempfile::tempdir().unwrap();
    let alone = Embedded::open(dir.path().join("events.db")).unwrap();
    let own = alone.append("a", Expect::Any, vec![event("k", b"x")]);
    own.wait().unwrap();
    drop(alone);
    let refused = node(&server.peer, "p", dir.path());
    until_wrong(&refused, "shared: false");
}

#[test]
fn what_the_server_does_not_take_is_refused_with_its_limit() {
    let small = NatsOptions {
        more: "max_payload: 64KB",
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(small)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let node = node(&peer, "p", dir.path());
    let large = vec![event("k", &[7; 65_000])];
    let refused = node.append("a", Expect::Any, large).wait().unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }));
    assert!(refused.to_string().contains("max_payload"), "{refused}");
    // Nothing came of it, and the next goes.
    assert_eq!(add(&node, "a", Expect::Empty, "x").unwrap(), 1);
    let nats = Nats::open_to_look(&options(peer.url(), "p"));
    let settings = nats.and_then(|nats| nats.settings()).unwrap();
    let events = settings.buckets.iter().find(|b| b.stream == "p_events");
    assert!(!events.unwrap().drops_old);
}

#[test]
fn the_rights_of_the_page_are_enough() {
    let secured = NatsOptions {
        more: RIGHTS,
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(secured)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url = peer.url().replace("://", "://u:hunter2@");
    for position in 1..3 {
        let node = opened(url.clone(), "p", dir.path(), Box::new(|_| {}));
        assert_eq!(add(&node, "a/b", Expect::Any, "x").unwrap(), position);
        node.let_go(u64::MAX).wait().unwrap();
    }
}
