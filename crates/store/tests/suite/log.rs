//! What every `Log` must do.

use super::Factory;
use std::sync::Arc;
use store::{Error, Expect, Log, MAX_EVENTS, MAX_VALUE, NewEvent, Record};

pub fn event(kind: &str, data: &[u8]) -> NewEvent {
    NewEvent {
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
