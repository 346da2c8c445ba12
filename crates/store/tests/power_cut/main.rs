//! A power cut at any moment: whatever was not yet synced is there, lost or torn. What was accepted is there, and what had ended has.
//!
//! A child works on a queue with `shim.c` preloaded, which writes down every write, sync and name. From that journal the disk is
//! made as it may be found after a cut, hundreds of times over, and opened.

mod image;
mod journal;
mod relaxed;

use image::Image;
use journal::{Event, Op};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use store::{Bounds, Embedded, Expect, Finish, Log, NewEvent, NewJob, Queue, State};

const DIR: &str = "POWER_CUT_DIR";
const JOURNAL: &str = "POWER_CUT_JOURNAL";
const JOBS: u64 = 240;
const CUTS: u64 = 300;
const LATER: u64 = 1 << 40;

/// Every eighth has a payload that is a file of its own, and some fill pages, so that the log is written back in between.
fn job(n: u64) -> NewJob {
    let size = match n % 8 {
        0 => 80 << 10,
        k => 1000 * k as usize * 4,
    };
    NewJob {
        secret: n as u128,
        lane: "l".into(),
        tenant: String::new(),
        weight: 1,
        key: None,
        blocks: false,
        enqueued_ms: 0,
        due_ms: 0,
        expires_ms: LATER,
        title: String::new(),
        head: Vec::new(),
        payload: n
            .to_string()
            .repeat(size / n.to_string().len())
            .into_bytes(),
    }
}

/// Two events of a stream at once: both are found, or none is.
fn pair(n: u64) -> Vec<NewEvent> {
    let event = |half: &str| NewEvent {
        id: format!("{n}{half}"),
        kind: "k".into(),
        at_ms: n,
        data: format!("{n}{half}")
            .repeat(50 + n as usize * 3)
            .into_bytes(),
    };
    vec![event("a"), event("b")]
}

/// Not a test: the process whose disk loses power. `+n`: job n was accepted; `-n`: its end was; `*n`: pair n was.
#[test]
#[ignore = "run by the tests below, as a child"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let dir = Path::new(&dir);
    let store = Embedded::open(dir.join("queue.db")).unwrap();
    let log = Embedded::open(dir.join("events.db")).unwrap();
    let mut state = relaxed::Work::open(dir);
    let mut told = std::fs::File::create(dir.join("told")).unwrap();
    for n in 0..JOBS {
        state.go_on(relaxed::WRITES / JOBS, &mut told);
        log.append(&format!("s{}", n % 3), Expect::Version(n / 3 * 2), pair(n))
            .wait()
            .unwrap();
        writeln!(told, "*{n}").unwrap();
        store.enqueue(vec![job(n)], Bounds::NONE).wait().unwrap();
        writeln!(told, "+{n}").unwrap();
        if n % 3 != 2 {
            continue;
        }
        for job in store.lease("l", 2, LATER, 0).wait().unwrap() {
            let done = Finish::Done { result: Vec::new() };
            store.finish(job.id, job.attempt, done, 0).wait().unwrap();
            writeln!(told, "-{}", job.id.secret).unwrap();
        }
    }
    // As a cut finds it: nothing is closed.
    std::process::exit(0);
}

/// What the child did, in order.
fn events(dir: &Path) -> Vec<Event> {
    let shim = dir.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_cut/shim.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([shim.as_path(), source.as_path()])
        .arg("-ldl")
        .status();
    assert!(built.is_ok_and(|s| s.success()), "no C compiler");
    let (folder, journal) = (dir.join("disk"), dir.join("journal"));
    std::fs::create_dir(&folder).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--quiet"])
        .env("LD_PRELOAD", &shim)
        .env(DIR, &folder)
        .env(JOURNAL, &journal)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    journal::read(&std::fs::read(&journal).unwrap(), &folder)
}

/// The numbers that were told after a sign before the cut.
fn told(events: &[Event], sign: u8) -> BTreeSet<u64> {
    let mut text = Vec::new();
    for e in events.iter().filter(|e| e.path == Path::new("told")) {
        if let Op::Write { data, .. } = &e.op {
            text.extend_from_slice(data);
        }
    }
    text.split(|b| *b == b'\n')
        .filter(|l| l.first() == Some(&sign))
        .filter_map(|l| std::str::from_utf8(&l[1..]).ok()?.parse().ok())
        .collect()
}

/// What is wrong with the log as it is found.
fn wrong_log(disk: &Path, appended: &BTreeSet<u64>) -> Option<String> {
    let log = match Embedded::open(disk.join("events.db")) {
        Ok(log) => log,
        Err(e) => return Some(format!("the log does not open: {e}")),
    };
    match log.check() {
        Ok(found) if found.is_empty() => {}
        found => return Some(format!("the log is damaged: {found:?}")),
    }
    let found = match log.read_all(0, 10_000) {
        Ok(found) => found,
        Err(e) => return Some(format!("the log cannot be read: {e}")),
    };
    let whole: Vec<_> = (0..JOBS).flat_map(pair).map(|e| e.data).collect();
    if found.len() % 2 == 1 || found.iter().zip(&whole).any(|(r, data)| r.data != *data) {
        return Some("half an append, or another, is in the log".into());
    }
    let there = found.len() as u64 / 2;
    let lost = appended.iter().find(|n| **n >= there)?;
    Some(format!("pair {lost} was appended and is lost"))
}

/// What is wrong with the disk as it is found.
fn wrong(disk: &Path, accepted: &BTreeSet<u64>, ended: &BTreeSet<u64>) -> Option<String> {
    let store = match Embedded::open(disk.join("queue.db")) {
        Ok(store) => store,
        Err(e) => return Some(format!("does not open: {e}")),
    };
    match store.check() {
        Ok(found) if found.is_empty() => {}
        found => return Some(format!("damaged: {found:?}")),
    }
    let mut waiting = BTreeSet::new();
    let mut done = BTreeSet::new();
    for state in State::ALL {
        let jobs = store.jobs("l", state, 0, 10_000).unwrap();
        let to = if state.has_ended() {
            &mut done
        } else {
            &mut waiting
        };
        to.extend(jobs.iter().map(|j| j.id.secret as u64));
    }
    let there = |n: &u64| waiting.contains(n) || done.contains(n);
    if let Some(n) = accepted.iter().find(|n| !there(n)) {
        return Some(format!("job {n} was accepted and is lost"));
    }
    if let Some(n) = ended.iter().find(|n| !done.contains(n)) {
        return Some(format!("job {n} had ended and is there again"));
    }
    loop {
        let leased = store.lease("l", 100, LATER, 0).wait().unwrap();
        if leased.is_empty() {
            break;
        }
        for j in leased {
            let n = j.id.secret as u64;
            match j.payload.read() {
                Ok(p) if p == job(n).payload => {}
                Ok(_) => return Some(format!("the payload of job {n} is another")),
                Err(e) => return Some(format!("the payload of job {n}: {e}")),
            }
        }
    }
    None
}

/// What was found after cuts of the power.
#[derive(Debug, Default)]
struct Found {
    wrong: Vec<String>,
    /// Cuts that undid something that had not waited for the disk, and writes that the worst one undid.
    undid: u64,
    most: usize,
}

/// Cuts the power so many times, at moments and with losses of the seed.
fn cut(events: &[Event], cuts: u64) -> Found {
    let began = events.iter().position(|e| e.path == Path::new("told"));
    let began = began.expect("something was accepted");
    let mut found = Found::default();
    for seed in 0..cuts {
        let mut rng = StdRng::seed_from_u64(seed);
        let at = rng.random_range(began..events.len());
        let before = &events[..=at];
        let disk = tempfile::tempdir().unwrap();
        Image::of(before).write(disk.path(), &mut rng);
        let of_queue = || wrong(disk.path(), &told(before, b'+'), &told(before, b'-'));
        let values = relaxed::Told {
            durable: told(before, b'='),
            relaxed: told(before, b'~'),
            deleted: told(before, b'!'),
        };
        let of_values = match relaxed::undone(disk.path(), &values) {
            Ok(undone) => {
                found.undid += u64::from(undone > 0);
                found.most = found.most.max(undone);
                None
            }
            Err(why) => Some(why),
        };
        let of_log = wrong_log(disk.path(), &told(before, b'*'));
        for why in [of_log, of_queue(), of_values].into_iter().flatten() {
            found.wrong.push(format!(
                "seed {seed}, after {at} of {} events: {why}",
                events.len()
            ));
        }
    }
    found
}

#[test]
fn what_was_accepted_survives_a_power_cut_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let events = events(dir.path());
    let writes = |name: &str| {
        let of = |e: &&Event| e.path == Path::new(name) && matches!(e.op, Op::Write { .. });
        events.iter().filter(of).count()
    };
    assert!(writes("queue.db-wal") > 500, "the log is seen");
    assert!(writes("queue.db") > 100, "and that it is written back");
    assert!(writes("events.db-wal") > 500, "that of events too");
    assert_eq!(told(&events, b'+').len() as u64, JOBS);
    assert!(writes("state.db-wal") > 1000, "and that of values");
    assert!(writes("state.db") > 100);
    let found = cut(&events, CUTS);
    assert_eq!(found.wrong, Vec::<String>::new());
    // Without any that is undone nothing would have been relaxed.
    assert!(found.undid > CUTS / 10, "{found:?}");
    // What waits for the disk, or the log when it is written back, takes along what was before it: one stretch at most.
    assert!(found.most <= relaxed::STRETCH, "{found:?}");

    // A disk that lies about its syncs is found out: the test can fail.
    let lying: Vec<Event> = events
        .into_iter()
        .filter(|e| !matches!(e.op, Op::Sync))
        .collect();
    let found = cut(&lying, 20);
    assert!(found.wrong.len() >= 10, "{found:?}");
    let of_values = |why: &&String| why.contains("value");
    assert!(
        found.wrong.iter().filter(of_values).count() > 0,
        "{found:?}"
    );
}
