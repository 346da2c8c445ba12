//! The process driver with real processes: started, used, ended by id.

use crate::common::*;
use control::loops::list;
use control::ports::Reading;
use control::trial::{Times, TryOptions, Verdict};
use control::{Change, Effect};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Not a test: a service that accepts connections on the port that it is told, and outlives SIGTERM if asked to.
#[test]
#[ignore = "run by the tests below, as an instance"]
fn listener() {
    let Some(port) = std::env::args().find_map(|a| a.strip_prefix("port:").map(String::from))
    else {
        return;
    };
    let socket = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for connection in socket.incoming() {
        let _ = connection.unwrap().read(&mut [0; 16]);
    }
}

fn file(words: &[&str]) -> String {
    let mut doc: serde_json::Value = serde_json::from_str(FILE).unwrap();
    doc["services"]["shop"]["start"] = serde_json::json!(words);
    doc.to_string()
}

fn listening() -> String {
    let me = std::env::current_exe().unwrap();
    let me = me.to_str().unwrap();
    file(&[
        me,
        "--exact",
        "process::listener",
        "--ignored",
        "--nocapture",
        "port:{port}",
    ])
}

fn replica(add: u32) -> control::Proposal {
    let service = "shop".into();
    proposal("replica-shop", "replica", Change::Replicas { service, add })
}

fn quick() -> TryOptions {
    TryOptions {
        times: Times {
            settle_s: 1,
            look_s: 1,
            least_s: 2,
            most_s: 1000,
            confirm_s: 1,
        },
        ..TryOptions::default()
    }
}

/// Takes turns of driver and trial, a second of made-up time each, until `done`; real processes need real time.
fn until(w: &World, what: &str, mut done: impl FnMut(&World) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done(w) {
        assert!(
            Instant::now() < end,
            "not within 20 s: {what}; {:?}",
            w.control.status()
        );
        w.time.pass(1);
        list::driver(w.control.shared()).unwrap();
        list::trial(w.control.shared()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn instances(w: &World) -> Vec<std::net::SocketAddr> {
    w.published
        .last()
        .base
        .service("shop")
        .unwrap()
        .instances
        .clone()
}

fn pids(w: &World) -> Vec<u32> {
    let started = w.control.shared().lane.started().unwrap();
    started.iter().map(|s| s.pid).collect()
}

fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| {
        !s.rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .starts_with('Z')
    })
}

fn verdict(w: &World, id: &str) -> Option<Verdict> {
    w.control
        .trial(id)
        .unwrap()
        .record
        .outcome
        .map(|o| o.verdict)
}

fn sees(w: &World, mean: f64) {
    w.told.sees(move |c| Reading {
        effect: (c.during.windows.len() > 1).then(|| Effect::new(mean, mean - 0.1, mean + 0.1)),
        ..Reading::default()
    });
}

#[test]
fn a_replica_is_started_measured_and_kept_until_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    sees(&w, 0.7);
    let id = w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "a second instance", |w| instances(w).len() == 2);
    let extra = instances(&w)[1];
    TcpStream::connect(extra).unwrap();
    until(&w, "a verdict", |w| verdict(w, &id).is_some());
    assert_eq!(verdict(&w, &id), Some(Verdict::Kept));
    assert_eq!(instances(&w), ["127.0.0.1:7001".parse().unwrap(), extra]);
    let pid = pids(&w)[0];
    assert!(runs(pid));
    // The end of Plimsoll is the end of what it started; the target stays for the next start.
    w.control.stop();
    assert!(!runs(pid));
    assert!(pids(&w).is_empty());
    drop(w);
    let w = world(dir.path(), &listening(), 5000);
    assert_eq!(instances(&w).len(), 1);
    until(&w, "the instance again", |w| instances(w).len() == 2);
}

#[test]
fn a_replica_that_does_not_help_leaves_the_generation_and_then_ends() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    sees(&w, 0.0);
    let id = w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "a verdict", |w| verdict(w, &id).is_some());
    assert_eq!(verdict(&w, &id), Some(Verdict::NoEffect));
    let pid = pids(&w)[0];
    let lines = w.control.history(100).unwrap();
    for line in [
        "shop: 1 instances beyond the file, was 0",
        "shop: 0 instances beyond the file, was 1",
    ] {
        assert!(lines.iter().any(|l| l.text == line), "{line}");
    }
    until(&w, "one instance", |w| instances(w).len() == 1);
    assert!(runs(pid), "it must drain before it is ended");
    until(&w, "its end", |w| pids(w).is_empty());
    assert!(!runs(pid));
}

#[test]
fn a_trial_without_an_overlay_is_ended_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    w.told.sees(|_| Reading::default());
    let id = w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "a second instance", |w| instances(w).len() == 2);
    w.control.rollback(&id, "ann").unwrap();
    until(&w, "a verdict", |w| verdict(w, &id).is_some());
    assert_eq!(verdict(&w, &id), Some(Verdict::Withdrawn));
    until(&w, "one instance", |w| instances(w).len() == 1);
    let refused = w.control.rollback(&id, "ann").unwrap_err();
    assert_eq!(refused[0].code, "overlay-unknown");
}

#[test]
fn never_more_than_the_file_allows() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    w.control.try_this(replica(50), &quick()).unwrap();
    // The stand-in's file says four in all.
    until(&w, "four instances", |w| instances(w).len() == 4);
    for _ in 0..5 {
        w.time.pass(1);
        list::driver(w.control.shared()).unwrap();
    }
    assert_eq!(pids(&w).len(), 3);
}

#[test]
fn a_command_that_ends_early_is_told_with_its_last_words() {
    for (command, words) in [
        (
            vec!["sh", "-c", "echo no database here >&2; exit 3"],
            "no database here",
        ),
        (vec!["/no/such/program"], "/no/such/program"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let w = world(dir.path(), &file(&command), 1000);
        let id = w.control.try_this(replica(1), &quick()).unwrap();
        until(&w, "a verdict", |w| verdict(w, &id).is_some());
        let outcome = w.control.trial(&id).unwrap().record.outcome.unwrap();
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert!(outcome.why.contains(words), "{}", outcome.why);
        let findings = w.control.status().findings;
        let tries = (findings.iter()).filter(|f| f.code.starts_with("instance-"));
        assert_eq!(tries.count(), 3, "it is tried three times: {findings:?}");
        assert!(w.control.shared().lane.targets().unwrap().is_empty());
    }
}

#[test]
fn a_repaired_command_gets_another_chance() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &file(&["/no/such/program"]), 1000);
    let id = w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "a verdict", |w| verdict(w, &id).is_some());
    list::driver(w.control.shared()).unwrap();
    w.control.reload(listening()).unwrap();
    w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "an instance", |w| instances(w).len() == 2);
}

#[test]
fn an_instance_that_dies_leaves_the_generation_and_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    sees(&w, 0.7);
    let id = w.control.try_this(replica(1), &quick()).unwrap();
    until(&w, "a verdict", |w| verdict(w, &id).is_some());
    let (first, pid) = (instances(&w)[1], pids(&w)[0]);
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until(&w, "another instance", |w| {
        let now = instances(w);
        now.len() == 2 && now[1] != first
    });
    assert!(
        w.control.status().findings[0]
            .what
            .contains("ended by itself")
    );
}

#[test]
fn one_that_ignores_the_asking_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let stubborn = [
        "sh",
        "-c",
        "trap '' TERM; echo ready; while :; do sleep 1; done",
    ];
    let w = world(dir.path(), &file(&stubborn), 1000);
    w.control.try_this(replica(1), &quick()).unwrap();
    list::driver(w.control.shared()).unwrap();
    let pid = pids(&w)[0];
    let log = dir.path().join("instances");
    until(&w, "its first words", |_| {
        std::fs::read_dir(&log).is_ok_and(|mut d| {
            d.any(|f| std::fs::read_to_string(f.unwrap().path()).is_ok_and(|t| t.contains("ready")))
        })
    });
    assert!(runs(pid));
    let lane = &w.control.shared().lane;
    for mut target in lane.targets().unwrap() {
        target.extra = 0;
        lane.set_target(&target).unwrap();
    }
    until(&w, "its end", |w| pids(w).is_empty());
    assert!(!runs(pid));
}

#[test]
fn what_an_earlier_life_left_running_is_ended_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let spawn = || {
        Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    };
    let (mut left, mut other) = (spawn(), spawn());
    let w = world(dir.path(), FILE, 1000);
    let ticks = |pid: u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let rest = stat.rsplit_once(')').unwrap().1;
        rest.split_whitespace().nth(19).unwrap().parse().unwrap()
    };
    let note = |pid: u32, start_ticks: u64, port: u16| {
        let started = control::ledger::Started {
            service: "shop".into(),
            address: ([127, 0, 0, 1], port).into(),
            pid,
            start_ticks,
        };
        w.control.shared().lane.add_started(&started).unwrap();
    };
    note(left.id(), ticks(left.id()), 1);
    // The id was given to another process since: it began at another time.
    note(other.id(), ticks(other.id()) + 1, 2);
    std::mem::forget(w.control); // as after a kill: nothing is cleaned up
    drop((w.published, w.time, w.told));
    let path = w.store.path().to_path_buf();
    let reopened = store::Embedded::open(&path);
    assert!(
        reopened.is_err(),
        "the forgotten store still holds its lock"
    );
    let process = control::drivers::Process::new(
        dir.path().into(),
        control::ledger::Lane::new(w.store.clone()),
    );
    process.recover().unwrap();
    assert!(!left.wait().unwrap().success());
    assert!(runs(other.id()));
    assert!(
        control::ledger::Lane::new(w.store.clone())
            .started()
            .unwrap()
            .is_empty()
    );
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn only_who_leads_begins_and_what_was_begun_here_is_ended_here() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), &listening(), 1000);
    let leader = |name: Option<&str>| *w.told.leader.lock().unwrap() = name.map(Into::into);
    leader(Some("node-b"));
    let refused = w.control.try_this(replica(1), &quick()).unwrap_err();
    assert_eq!(refused[0].code, "trial-elsewhere");
    assert!(refused[0].what.contains("node-b"), "{refused:?}");
    leader(None);
    w.control.try_this(replica(1), &quick()).unwrap();
    // Another node comes to lead before the instance is started.
    leader(Some("node-b"));
    list::driver(w.control.shared()).unwrap();
    assert!(w.control.status().instances.is_empty());
    leader(None);
    until(&w, "an instance", |w| {
        !w.control.status().instances.is_empty()
    });
    leader(Some("node-b"));
    let trial = w.control.status().trial.unwrap().id;
    w.control.rollback(&trial, "ann").unwrap();
    until(&w, "its end", |w| w.control.status().instances.is_empty());
}
