//! The engines against the suites; and of the embedded one, what only a file can get wrong.

mod backup;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "nats", feature = "redis"))]
mod remote;
mod suite;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::{
    Bounds, Embedded, Error, Expect, Finish, Kv, Log, Marked, Named, Precondition, Put, Queue,
};
use suite::log::event;

struct Files {
    dir: tempfile::TempDir,
    next: Cell<u32>,
}

impl Files {
    fn new() -> Files {
        Files {
            dir: tempfile::tempdir().unwrap(),
            next: Cell::new(0),
        }
    }
}

impl suite::Factory for Files {
    type Store = Embedded;
    fn fresh(&self) -> Embedded {
        self.next.set(self.next.get() + 1);
        let file = format!("sub/{}.db", self.next.get());
        Embedded::open(self.dir.path().join(file)).unwrap()
    }
    fn reopen(&self, closed: Embedded) -> Embedded {
        let path = closed.path().to_path_buf();
        drop(closed);
        Embedded::open(path).unwrap()
    }
}

#[test]
fn embedded_is_a_log() {
    suite::log::all(&Files::new());
}

#[test]
fn embedded_is_a_kv() {
    suite::kv::all(&Files::new());
}

#[test]
fn embedded_has_topics() {
    suite::topics::all(&Files::new());
}

#[test]
fn relaxed_and_durable_writes_are_one_store() {
    let files = Files::new();
    let store = std::sync::Arc::new(suite::Factory::fresh(&files));
    let relaxed = store::embedded::Relaxed(store.clone());
    let one = relaxed.put(Put::new("k", b"1".to_vec()), 0).wait().unwrap();
    let is = |etag, value: &[u8]| Put {
        precondition: Precondition::Is(etag),
        ..Put::new("k", value.to_vec())
    };
    let two = store.put(is(one, b"2"), 0).wait().unwrap();
    assert!(relaxed.put(is(one, b"no"), 0).wait().is_err());
    let three = relaxed.put(is(two, b"3"), 0).wait().unwrap();
    assert!(one < two && two < three);
    assert_eq!(store.get("k", 0).unwrap().unwrap().value, b"3");
    assert!(
        relaxed
            .delete("k", Precondition::Is(three), 0)
            .wait()
            .unwrap()
    );
    assert_eq!(relaxed.count("", 0).unwrap(), 0);
}

#[test]
fn embedded_is_a_queue() {
    suite::queue::all(&Files::new());
}

#[test]
fn embedded_counts() {
    suite::counter::all(&Files::new());
}

#[test]
fn embedded_gives_leases() {
    suite::lease::all(&Files::new());
}

fn with_events(path: &PathBuf, n: u32) -> Embedded {
    let store = Embedded::open(path).unwrap();
    for i in 0..n {
        let data = format!("event number {i} with some text to damage");
        let events = vec![event("k", data.as_bytes())];
        store.append("s", Expect::Any, events).wait().unwrap();
    }
    store
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.db");
    let store = with_events(&path, 3);
    assert!(matches!(Embedded::open(&path), Err(Error::Locked { .. })));
    let reader = Embedded::open_read_only(&path).unwrap();
    assert_eq!(reader.read_all(0, 10).unwrap().len(), 3);
    let refused = reader.append("s", Expect::Any, vec![event("k", b"")]);
    assert_eq!(refused.wait(), Err(Error::ReadOnly));
    drop(store);
    Embedded::open(&path).unwrap();
    assert!(Embedded::open_read_only(dir.path().join("none.db")).is_err());
}

#[test]
fn a_newer_file_and_a_foreign_file_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer.db");
    drop(with_events(&newer, 1));
    let db = rusqlite::Connection::open(&newer).unwrap();
    db.pragma_update(None, "user_version", store::embedded::SCHEMA + 1)
        .unwrap();
    drop(db);
    let e = Embedded::open(&newer).unwrap_err();
    assert!(matches!(e, Error::Newer { .. }), "{e}");
    assert!(e.to_string().contains("newer version"), "{e}");

    let other = dir.path().join("other.db");
    let db = rusqlite::Connection::open(&other).unwrap();
    db.execute_batch("CREATE TABLE theirs(x)").unwrap();
    drop(db);
    assert!(matches!(Embedded::open(&other), Err(Error::Foreign { .. })));

    let text = dir.path().join("text.db");
    let content = "not a database at all\n".repeat(100);
    std::fs::write(&text, &content).unwrap();
    let e = Embedded::open(&text).unwrap_err();
    assert!(matches!(e, Error::Foreign { .. }), "{e}");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), content);
}

#[test]
fn damage_inside_an_event_is_found_and_placed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.db");
    let store = with_events(&path, 20);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    drop(store);
    // One bit of the text of event 13 flips on the disk.
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"event number 12 with";
    let at = bytes
        .windows(needle.len())
        .position(|w| w == needle)
        .unwrap();
    bytes[at + 2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = Embedded::open(&path).unwrap();
    let e = store.read("s", 1, 100).unwrap_err();
    assert!(e.to_string().contains("event 13 of stream `s`"), "{e}");
    assert_eq!(store.read("s", 1, 12).unwrap().len(), 12);
    assert_eq!(store.check().unwrap().len(), 1);
}

#[test]
fn after_a_failed_write_nothing_more_is_accepted_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.db");
    let store = with_events(&path, 2);
    // Another connection breaks the rules: the next append's insert fails inside the engine.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TRIGGER broken BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk on fire'); END",
    )
    .unwrap();
    let one = || vec![event("k", b"x")];
    let e = store.append("s", Expect::Any, one()).wait().unwrap_err();
    assert!(
        matches!(&e, Error::Stopped(why) if why.contains("disk on fire")),
        "{e}"
    );
    db.execute_batch("DROP TRIGGER broken").unwrap();
    // The cause is gone, but what the failed commit left behind is unknown: only a restart helps.
    let e = store.append("s", Expect::Any, one()).wait().unwrap_err();
    assert!(matches!(e, Error::Stopped(_)), "{e}");
    let put = Put {
        key: "k".into(),
        value: vec![],
        precondition: Precondition::Any,
        expires_ms: None,
    };
    assert!(matches!(store.put(put, 0).wait(), Err(Error::Stopped(_))));
    assert_eq!(store.read_all(0, 10).unwrap().len(), 2);
    drop((store, db));
    let store = Embedded::open(&path).unwrap();
    let done = store.append("s", Expect::Version(2), one()).wait().unwrap();
    assert_eq!((done.version, done.position), (3, 3));
}

#[test]
fn concurrent_writes_share_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.db");
    let store = with_events(&path, 1);
    // A foreign lock holds the writer back until 100 writes wait; they then go in few groups.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let acks: Vec<_> = (0..100)
        .map(|_| store.append("s", Expect::Any, vec![event("k", b"x")]))
        .collect();
    db.execute_batch("COMMIT").unwrap();
    let last = acks.into_iter().map(|a| a.wait().unwrap()).last().unwrap();
    assert_eq!(last.position, 101);
    // Frames in the write-ahead log tell how many commits there were: each writes at least two pages.
    let wal = std::fs::metadata(dir.path().join("c.db-wal"))
        .unwrap()
        .len();
    assert!(
        wal / 4120 < 100,
        "{} pages for 100 small writes: they were not grouped",
        wal / 4120
    );
}

#[test]
fn a_file_of_the_first_version_gets_the_tables_that_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.db");
    drop(with_events(&path, 2));
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "DROP TABLE job; DROP TABLE lane; DROP TABLE topic; DROP TABLE message;
          DROP INDEX event_id; ALTER TABLE event DROP COLUMN id;
          DELETE FROM counter WHERE name = 'trimmed'; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(db);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.read_all(0, 10).unwrap().len(), 2);
    let jobs = vec![suite::queue::new("l", "a")];
    store.enqueue(jobs, Bounds::NONE).wait().unwrap();
}

#[test]
fn jobs_and_a_mark_are_written_both_or_neither() {
    let files = Files::new();
    let store = suite::Factory::fresh(&files);
    let write = |text: &str, precondition, bounds| {
        let mark = Put {
            precondition,
            ..Put::new("mark", text.as_bytes().to_vec())
        };
        let jobs = vec![suite::queue::new("l", text)];
        store.enqueue_marked(jobs, bounds, mark, 0).wait()
    };
    write("1", Precondition::Absent, Bounds::NONE).unwrap();
    assert!(
        write("2", Precondition::Absent, Bounds::NONE)
            .unwrap_err()
            .is_conflict()
    );
    let etag = store.get("mark", 0).unwrap().unwrap().etag;
    let none = Bounds { jobs: 1, bytes: 1 };
    let full = write("2", Precondition::Is(etag), none).unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(store.get("mark", 0).unwrap().unwrap().value, b"1");
    assert_eq!(store.lanes().unwrap()[0].waiting, 1);
    write("2", Precondition::Is(etag), Bounds::NONE).unwrap();
    assert_eq!(store.lanes().unwrap()[0].waiting, 2);
    let mark = Put::new("mark", b"3".to_vec());
    let ids = store
        .enqueue_marked(Vec::new(), Bounds::NONE, mark, 0)
        .wait();
    assert_eq!(ids.unwrap(), []);
}

#[test]
fn a_job_is_accepted_once_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Embedded::open(&path).unwrap();
    let write = |store: &Embedded, names: &[&str], settled: &[&str], bounds, now_ms| {
        let jobs = names
            .iter()
            .map(|n| (format!("o/{n}"), suite::queue::new("l", n)));
        let named = Named {
            jobs: jobs.collect(),
            known_ms: 100,
            settled: settled.iter().map(|n| format!("o/{n}")).collect(),
        };
        store.enqueue_named(named, bounds, now_ms).wait()
    };
    let any = Bounds::NONE;
    assert_eq!(write(&store, &["1", "2", "1"], &[], any, 0), Ok(2));
    assert_eq!(write(&store, &["2", "3"], &[], any, 0), Ok(1));
    // What finds no room is not known either.
    let none = Bounds {
        jobs: 3,
        bytes: 1 << 20,
    };
    let full = write(&store, &["4"], &[], none, 0).unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(write(&store, &["3"], &[], none, 0), Ok(0), "it needs none");
    assert_eq!(write(&store, &["4"], &["1"], any, 0), Ok(1));
    assert_eq!(store.lanes().unwrap()[0].waiting, 4);
    drop(store);
    // Known to whoever opens the file next, but for what was settled, and until their time is over.
    let store = Embedded::open(&path).unwrap();
    assert_eq!(write(&store, &["1", "2", "3", "4"], &[], any, 50), Ok(1));
    assert_eq!(store.count("o/", 50), Ok(4));
    assert_eq!(write(&store, &["2"], &["1"], any, 100), Ok(1));
    assert_eq!(store.count("o/", 0), Ok(1), "others were swept");
    assert_eq!(write(&store, &[], &["2"], any, 100), Ok(0));
    assert_eq!(store.count("o/", 0), Ok(0));
}

#[test]
fn a_full_file_takes_no_more_jobs_and_lets_those_that_it_has_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Embedded::open_within(&path, 2 << 20).unwrap();
    let text = "x".repeat(10_000);
    let put = || {
        let jobs = vec![suite::queue::new("l", &text)];
        store.enqueue(jobs, Bounds::NONE).wait()
    };
    let mut kept = 0;
    let full = loop {
        match put() {
            Ok(_) => kept += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(store.lanes().unwrap()[0].waiting, kept);
    for job in store.lease("l", 512, 10, 0).wait().unwrap() {
        let done = Finish::Done { result: vec![] };
        assert!(store.finish(job.id, 1, done, 0).wait().unwrap());
    }
    assert_eq!(store.lanes().unwrap()[0].waiting, 0);
    put().unwrap();
}

#[test]
fn a_file_shrinks_when_its_backlog_is_done_and_nobody_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Embedded::open(&path).unwrap();
    let text = "x".repeat(60_000);
    for _ in 0..20 {
        let jobs = (0..64).map(|_| suite::queue::new("l", &text)).collect();
        store.enqueue(jobs, Bounds::NONE).wait().unwrap();
    }
    let bytes = || std::fs::metadata(&path).unwrap().len();
    let full = bytes();
    assert!(full > 60 << 20, "{full}");
    while let leased = store.lease("l", 512, 10, 0).wait().unwrap()
        && !leased.is_empty()
    {
        for job in leased {
            let done = Finish::Done { result: vec![] };
            assert!(store.finish(job.id, 1, done, 0).wait().unwrap());
        }
    }
    let until = Instant::now() + Duration::from_secs(60);
    while bytes() > 24 << 20 {
        assert!(Instant::now() < until, "{} of {full}", bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_full_disk_refuses_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Embedded::open_within(&path, 0).unwrap();
    let put = |n: u64| {
        let put = Put {
            key: n.to_string(),
            value: vec![7; 10_000],
            precondition: Precondition::Any,
            expires_ms: None,
        };
        store.put(put, 0).wait()
    };
    let kept = (0..).take_while(|n| put(*n).is_ok()).count() as u64;
    let full = put(kept).unwrap_err();
    assert!(matches!(full, Error::DiskFull { .. }), "{full}");
    assert!(full.to_string().contains("q.db"), "{full}");
    // Room is all that is needed to go on.
    store.delete("0", Precondition::Any, 0).wait().unwrap();
    let etag = put(kept).unwrap();
    drop(store);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.scan("", None, 1000, 0).unwrap().len() as u64, kept);
    let last = store.get(&kept.to_string(), 0).unwrap().unwrap();
    assert_eq!(last.etag, etag);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn files_that_belong_to_no_job_are_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Embedded::open(&path).unwrap();
    let big = suite::queue::new("l", &"x".repeat(100_000));
    store.enqueue(vec![big], Bounds::NONE).wait().unwrap();
    drop(store);
    let files = dir.path().join("q.db.payloads");
    std::fs::write(files.join("new"), "half a payload").unwrap();
    std::fs::write(files.join("0".repeat(64)), "of a commit that never was").unwrap();
    let store = Embedded::open(&path).unwrap();
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 1);
    let got = store.lease("l", 1, 10, 0).wait().unwrap();
    assert_eq!(got[0].payload.clone().read().unwrap().len(), 100_000);
}
