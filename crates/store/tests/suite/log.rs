//! What every `Log` must do.

use super::Factory;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Ends, Error, Expect, Log, MAX_EVENTS, MAX_VALUE, Names, NewEvent, Record};

pub fn event(kind: &str, data: &[u8]) -> NewEvent {
    NewEvent {
        id: String::new(),
        kind: kind.into(),
        at_ms: 7,
        data: data.to_vec(),
    }
}

fn add(log: &impl Log, stream: &str, expect: Expect, data: &[&str]) -> Result<u64, Error> {
    let events = data.iter().map(|d| event("k", d.as_bytes())).collect();
    log.append(stream, expect, events).wait().map(|a| a.version)
}

fn texts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|r| String::from_utf8(r.data.clone()).unwrap())
        .collect()
}

pub fn all<F: Factory<Store: Log>>(f: &F) {
    versions_count_from_one(f);
    a_wrong_expectation_changes_nothing(f);
    racing_writers_lose_nothing(f);
    the_global_order_has_no_gaps(f);
    bounds_are_refused(f);
    it_survives_a_restart(f);
    an_event_with_an_id_is_stored_once(f);
    streams_are_read_backwards_and_by_name(f);
    the_oldest_are_let_go(f);
    it_does_as_a_model_does(f);
}

fn named(id: &str, data: &str) -> NewEvent {
    NewEvent {
        id: id.into(),
        ..event("k", data.as_bytes())
    }
}

fn an_event_with_an_id_is_stored_once<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    let add = |expect, ids: &[&str]| {
        let events = ids.iter().map(|id| named(id, id)).collect();
        log.append("a", expect, events).wait()
    };
    let first = add(Expect::Empty, &["1", "2"]).unwrap();
    assert_eq!((first.version, first.position, first.added), (2, 2, 2));
    // Whoever asks again is answered as before, whatever has come since and whatever is expected.
    assert_eq!(add(Expect::Any, &["3"]).unwrap().version, 3);
    let again = add(Expect::Empty, &["1", "2"]).unwrap();
    assert_eq!((again.version, again.position, again.added), (2, 2, 0));
    let some = add(Expect::Any, &["3", "4", "1", "4"]).unwrap();
    assert_eq!((some.version, some.position, some.added), (4, 4, 1));
    let e = add(Expect::Version(3), &["4", "5"]).unwrap_err();
    assert!(matches!(e, Error::Conflict { actual: 4, .. }), "{e}");
    assert_eq!(texts(&log.read("a", 1, 10).unwrap()), ["1", "2", "3", "4"]);
    // Ids are those of a stream, and events without one are all different.
    let other = log.append(
        "b",
        Expect::Empty,
        vec![named("1", "x"), named("", "y"), named("", "y")],
    );
    assert_eq!(other.wait().unwrap().added, 3);
    let long = "i".repeat(store::MAX_NAME + 1);
    assert!(add(Expect::Any, &[&long]).is_err());
}

fn streams_are_read_backwards_and_by_name<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    for (stream, text) in [
        ("o-1", "a"),
        ("x", "b"),
        ("o-2", "c"),
        ("o-1", "d"),
        ("o", "e"),
    ] {
        add(&log, stream, Expect::Any, &[text]).unwrap();
    }
    let back = |from, limit| texts(&log.read_back("o-1", from, limit).unwrap());
    assert_eq!(back(u64::MAX, 10), ["d", "a"]);
    assert_eq!(back(1, 10), ["a"]);
    assert_eq!(back(u64::MAX, 1), ["d"]);
    let some = |names, after, until| texts(&log.read_some(names, after, until, 10).unwrap());
    assert_eq!(some(Names::All, 1, 4), ["b", "c", "d"]);
    assert_eq!(some(Names::Is("o"), 0, 10), ["e"]);
    assert_eq!(some(Names::Begin("o-"), 0, 10), ["a", "c", "d"]);
    assert_eq!(some(Names::Begin("o-"), 0, 3), ["a", "c"]);
    assert!(some(Names::Is("none"), 0, 10).is_empty());
    let names = |after: &str, limit| log.streams(after, limit).unwrap();
    assert_eq!(names("", 2), [("o".to_owned(), 1), ("o-1".to_owned(), 2)]);
    assert_eq!(
        names("o-1", 9),
        [("o-2".to_owned(), 1), ("x".to_owned(), 1)]
    );
}

fn the_oldest_are_let_go<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    for at_ms in [10, 20, 30, 25, 40] {
        let e = NewEvent {
            at_ms,
            ..named(&at_ms.to_string(), "x")
        };
        log.append("a", Expect::Any, vec![e]).wait().unwrap();
    }
    assert_eq!(log.trim(30, 1).wait().unwrap(), 1);
    assert_eq!(log.trim(30, 10).wait().unwrap(), 1);
    // One that is older, but behind one that is not, stays.
    assert_eq!(log.trim(30, 10).wait().unwrap(), 0);
    assert_eq!(log.ends().unwrap(), Ends { gone: 2, last: 5 });
    let left: Vec<_> = log
        .read("a", 1, 10)
        .unwrap()
        .iter()
        .map(|r| r.version)
        .collect();
    assert_eq!(left, [3, 4, 5]);
    assert_eq!(log.trim(100, 10).wait().unwrap(), 3);
    let log = f.reopen(log);
    assert_eq!(log.ends().unwrap(), Ends { gone: 5, last: 5 });
    // The count goes on, and an id that is gone is free again.
    let done = log
        .append("a", Expect::Version(5), vec![named("10", "y")])
        .wait()
        .unwrap();
    assert_eq!((done.version, done.position), (6, 6));
}

/// Every answer and the whole content, beside a log that is two vectors.
fn it_does_as_a_model_does<F: Factory<Store: Log>>(f: &F) {
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut log = f.fresh();
        let mut all: Vec<Record> = Vec::new();
        let mut ids: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for step in 0..150 {
            let stream = format!("s{}", rng.random_range(0..3));
            let version = all.iter().filter(|r| r.stream == stream).count() as u64;
            let expect = match rng.random_range(0..4) {
                0 => Expect::Any,
                1 => Expect::Version(version),
                2 => Expect::Version(version + rng.random_range(0..2)),
                _ => Expect::Empty,
            };
            let events: Vec<_> = (0..rng.random_range(1..4))
                .map(|_| named(&rng.random_range(0..40).to_string(), &step.to_string()))
                .collect();
            let said = log.append(&stream, expect, events.clone()).wait();
            let at = |id: &str| ids.get(&(stream.clone(), id.to_owned())).copied();
            let known: Vec<_> = events.iter().filter_map(|e| at(&e.id)).collect();
            let mut fresh: Vec<&NewEvent> = Vec::new();
            for e in &events {
                if at(&e.id).is_none() && !fresh.iter().any(|f| f.id == e.id) {
                    fresh.push(e);
                }
            }
            let holds = match expect {
                Expect::Any => true,
                Expect::Empty => version == 0,
                Expect::Version(v) => v == version,
            };
            if fresh.is_empty() {
                let (version, position) = known.into_iter().max().unwrap();
                let said = said.unwrap();
                assert_eq!(
                    (said.version, said.position, said.added),
                    (version, position, 0)
                );
            } else if !holds {
                assert!(matches!(said, Err(Error::Conflict { actual, .. }) if actual == version));
            } else {
                let added = fresh.len();
                let fresh: Vec<_> = fresh.into_iter().cloned().collect();
                for (version, e) in (version + 1..).zip(fresh) {
                    let position = all.len() as u64 + 1;
                    ids.insert((stream.clone(), e.id), (version, position));
                    all.push(Record {
                        position,
                        stream: stream.clone(),
                        version,
                        kind: e.kind,
                        at_ms: e.at_ms,
                        data: e.data,
                    });
                }
                let said = said.unwrap();
                assert_eq!(
                    (said.position, said.added),
                    (all.len() as u64, added),
                    "seed {seed}"
                );
            }
            if rng.random_range(0..40) == 0 {
                log = f.reopen(log);
            }
        }
        assert_eq!(log.read_all(0, 1000).unwrap(), all, "seed {seed}");
        for s in 0..3 {
            let stream = format!("s{s}");
            let mine: Vec<_> = all.iter().filter(|r| r.stream == stream).cloned().collect();
            let mut back = log.read_back(&stream, u64::MAX, 1000).unwrap();
            back.reverse();
            assert_eq!(back, mine);
            assert_eq!(log.read(&stream, 1, 1000).unwrap(), mine);
        }
    }
}

fn versions_count_from_one<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    assert_eq!(log.version("a").unwrap(), 0);
    assert_eq!(add(&log, "a", Expect::Empty, &["1", "2"]).unwrap(), 2);
    assert_eq!(add(&log, "a", Expect::Version(2), &["3"]).unwrap(), 3);
    assert_eq!(add(&log, "b", Expect::Any, &["x"]).unwrap(), 1);
    assert_eq!(log.version("a").unwrap(), 3);
    let a = log.read("a", 1, 10).unwrap();
    assert_eq!(texts(&a), ["1", "2", "3"]);
    assert_eq!(
        a.iter().map(|r| (r.version, r.at_ms)).collect::<Vec<_>>(),
        [(1, 7), (2, 7), (3, 7)]
    );
    assert_eq!(texts(&log.read("a", 2, 1).unwrap()), ["2"]);
    assert!(log.read("a", 4, 10).unwrap().is_empty());
    assert!(log.read("none", 1, 10).unwrap().is_empty());
}

fn a_wrong_expectation_changes_nothing<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    add(&log, "a", Expect::Empty, &["1"]).unwrap();
    for wrong in [Expect::Empty, Expect::Version(0), Expect::Version(2)] {
        let e = add(&log, "a", wrong, &["no", "no"]).unwrap_err();
        assert!(
            matches!(&e, Error::Conflict { actual: 1, .. }) && e.is_conflict(),
            "{e}"
        );
    }
    assert!(add(&log, "new", Expect::Version(1), &["no"]).is_err());
    assert_eq!(texts(&log.read_all(0, 10).unwrap()), ["1"]);
    assert_eq!(log.version("new").unwrap(), 0);
}

fn racing_writers_lose_nothing<F: Factory<Store: Log>>(f: &F) {
    let log = Arc::new(f.fresh());
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let log = log.clone();
            std::thread::spawn(move || {
                for i in 0..25 {
                    // Compare-and-set until it wins: a counter that must not skip.
                    loop {
                        let v = log.version("race").unwrap();
                        let text = format!("{w}-{i}");
                        match add(&*log, "race", Expect::Version(v), &[&text]) {
                            Ok(_) => break,
                            Err(e) => assert!(e.is_conflict(), "{e}"),
                        }
                    }
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|w| w.join().unwrap());
    let mut seen = texts(&log.read("race", 1, 1000).unwrap());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
    assert_eq!(log.version("race").unwrap(), 100);
}

fn the_global_order_has_no_gaps<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    let acks: Vec<_> = (0..200)
        .map(|i| {
            let stream = format!("s{}", i % 7);
            // Every tenth is refused; it must not use up a position.
            let expect = if i % 10 == 9 {
                Expect::Version(9999)
            } else {
                Expect::Any
            };
            log.append(&stream, expect, vec![event("k", i.to_string().as_bytes())])
        })
        .collect();
    let done = acks.into_iter().filter_map(|a| a.wait().ok()).count();
    assert_eq!(done, 180);
    let mut after = 0;
    let mut positions = Vec::new();
    loop {
        let page = log.read_all(after, 64).unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        positions.extend(page.iter().map(|r| r.position));
    }
    assert_eq!(positions, (1..=180).collect::<Vec<_>>());
}

fn bounds_are_refused<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    let one = || vec![event("k", b"x")];
    assert!(matches!(
        log.append("", Expect::Any, one()).wait(),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        log.append("a", Expect::Any, vec![]).wait(),
        Err(Error::Invalid(_))
    ));
    let big = vec![event("k", &vec![0; MAX_VALUE + 1])];
    assert!(matches!(
        log.append("a", Expect::Any, big).wait(),
        Err(Error::TooLarge { .. })
    ));
    let many = vec![event("k", b""); MAX_EVENTS + 1];
    assert!(matches!(
        log.append("a", Expect::Any, many).wait(),
        Err(Error::Invalid(_))
    ));
    let long = "s".repeat(store::MAX_NAME + 1);
    assert!(matches!(
        log.append(&long, Expect::Any, one()).wait(),
        Err(Error::TooLarge { .. })
    ));
    assert!(log.read_all(0, 10).unwrap().is_empty());
    // What is not refused is kept whole, whatever the bytes.
    let bytes: Vec<u8> = (0..=255).collect();
    log.append("it's \"ü\" 🚢", Expect::Any, vec![event("ü", &bytes)])
        .wait()
        .unwrap();
    assert_eq!(log.read("it's \"ü\" 🚢", 1, 1).unwrap()[0].data, bytes);
}

fn it_survives_a_restart<F: Factory<Store: Log>>(f: &F) {
    let log = f.fresh();
    add(&log, "a", Expect::Empty, &["1", "2"]).unwrap();
    // Not waited for: closing finishes what was accepted.
    let late = log.append("a", Expect::Any, vec![event("k", b"3")]);
    let log = f.reopen(log);
    assert_eq!(late.wait().unwrap().version, 3);
    assert_eq!(add(&log, "a", Expect::Version(3), &["4"]).unwrap(), 4);
    let order: Vec<_> = log
        .read_all(0, 10)
        .unwrap()
        .iter()
        .map(|r| r.position)
        .collect();
    assert_eq!(order, [1, 2, 3, 4]);
}
