//! Quotas in the real binary: what was counted outlasts an end in order, kill -9 and an upgrade, two nodes have one quota, and
//! without the store each route does what its `fail` says.

use crate::stage::{Stage, signal};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// A time zone in which it is about noon: no test runs over a midnight.
fn noon() -> String {
    let hour = (seconds() / 3600 % 24) as i64;
    // The names have their signs the other way round.
    format!("Etc/GMT{:+}", hour - 12)
}

fn config(engines: &str) -> String {
    let zone = noon();
    let route = |name: &str, rest: &str| {
        format!(
            "  {name}: {{ match: GET /{name}, to: app, quota: {{ timezone: {zone}, key: all, {rest} }} }}\n"
        )
    };
    format!(
        "{engines}\nroutes:\n{}{}{}{}",
        route("few", "limit: 3, announce: true"),
        route("many", "limit: 1000"),
        route("open", "limit: 1, fail: open"),
        route("closed", "limit: 1000, fail: closed"),
    )
}

/// Status and head.
fn get(stage: &Stage, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(stage.listen).unwrap();
    let ask = format!("GET /{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    let status = told.split(' ').nth(1).unwrap().parse().unwrap();
    (status, told.to_lowercase())
}

fn passed(stage: &Stage, path: &str, times: usize) -> usize {
    let all = (0..times).map(|_| get(stage, path).0);
    all.filter(|status| match status {
        200 => true,
        429 => false,
        other => panic!("{other}"),
    })
    .count()
}

fn end(stage: &mut Stage, pid: u32, how: &str) {
    signal(pid, how);
    stage.ended(pid);
}

#[test]
fn what_was_counted_outlasts_the_process_however_it_ends() {
    let begun = seconds();
    let mut stage = Stage::new(&config(""));
    let pid = stage.start();
    let (status, head) = get(&stage, "few");
    assert_eq!(status, 200);
    assert!(
        head.contains("ratelimit-policy: \"few-day\";q=3;w=86400"),
        "{head}"
    );
    assert!(head.contains("ratelimit: \"few-day\";r=2;t="), "{head}");
    assert_eq!(passed(&stage, "many", 95), 95);
    end(&mut stage, pid, "TERM");
    stage.start();
    let (out, pid) = stage.upgrade();
    assert!(out.status.success(), "{out:?}");
    // What it held was given back.
    assert_eq!(passed(&stage, "many", 4), 4);
    stage.wait("the count of keys", |s| {
        let said = String::from_utf8(s.ask(&["status"]).stdout).unwrap();
        let mut quotas = said.lines().filter(|l| l.starts_with("quota "));
        let many = quotas.find(|l| l.contains("many")).expect("a quota");
        many.contains("of 1 key has").then_some(())
    });
    end(&mut stage, pid, "KILL");
    stage.start();
    // One that is killed takes along what it held: a hundredth of what was left at most.
    let left = passed(&stage, "many", 1000);
    assert!((1000 - 99 - 9..1000 - 99).contains(&left), "{left}");
    assert_eq!(passed(&stage, "few", 5), 2);
    let (status, told) = get(&stage, "few");
    assert_eq!(status, 429);
    assert!(told.contains("plimsoll-reason: quota"), "{told}");
    assert!(told.contains("application/problem+json"), "{told}");
    let after = told.lines().find_map(|l| l.strip_prefix("retry-after: "));
    let after: u64 = after.unwrap().trim().parse().unwrap();
    // Until midnight; it was twelve hours from the hour in which this began.
    let midnight = begun / 3600 * 3600 + 12 * 3600;
    let left = midnight - seconds()..=midnight - begun;
    assert!(left.contains(&after), "{after}");
}

#[cfg(any(feature = "nats", feature = "redis"))]
fn two(engines: &str) -> [Stage; 2] {
    let first = Stage::new(&config(engines));
    let mut second = Stage::new("");
    second.instance = first.instance;
    second.write(&second.config(&config(engines)));
    [first, second]
}

/// Over the engine that the section names, which `stop` and `start` take away and bring back.
#[cfg(any(feature = "nats", feature = "redis"))]
fn one_quota_for_two(engines: &str, stop_and_start: &mut dyn FnMut(bool), forgets: bool) {
    let mut stages = two(engines);
    let pids = stages.each_mut().map(Stage::start);
    for s in &stages {
        s.wait("the engine", |s| (get(s, "closed").0 == 200).then_some(()));
    }
    let few = [0, 1, 0, 1, 0].map(|i| get(&stages[i], "few").0);
    assert_eq!(few, [200, 200, 200, 429, 429]);
    assert_eq!(passed(&stages[0], "many", 1), 1);
    let mut passed_b = 0;
    for _ in 0..5 {
        passed_b += passed(&stages[1], "many", 220);
        // Asked now and then, it gives nothing back as idle.
        assert_eq!(passed(&stages[0], "many", 1), 1);
    }
    // The other one holds a hundredth, of which it has used six.
    assert_eq!(passed_b, 990);
    end(&mut stages[0], pids[0], "TERM");
    // It may come back in the middle of a round.
    let mut again = 0;
    stages[1].wait("what was given back", |s| {
        again += passed(s, "many", 20);
        (again >= 4).then_some(())
    });
    again += passed(&stages[1], "many", 20);
    assert_eq!(again, 4);
    stages[0].start();
    assert_eq!(passed(&stages[0], "many", 3), 0);

    stop_and_start(false);
    for s in &stages {
        s.wait("that nothing is counted", |s| {
            (get(s, "closed").0 == 503).then_some(())
        });
        assert!(get(s, "closed").1.contains("quota-unknown"));
        assert_eq!(passed(s, "open", 20), 20);
        // There was nothing left when it was last asked.
        assert_eq!(passed(s, "many", 5), 0);
    }
    let said = stages[0].ask_console(&["status"]);
    assert!(said.contains("NOT COUNTED NOW"), "{said}");
    stop_and_start(true);
    for s in &stages {
        s.wait("the engine", |s| (get(s, "closed").0 == 200).then_some(()));
    }
    if !forgets {
        assert_eq!(passed(&stages[0], "many", 5), 0);
        // What passed meanwhile is counted.
        assert_eq!(passed(&stages[0], "open", 5), 0);
    }
}

#[cfg(feature = "nats")]
#[test]
fn two_nodes_have_one_quota_on_a_nats() {
    use peers::{Nats, NatsOptions, there};
    let options = NatsOptions {
        jetstream: "sync_interval: always",
        ..NatsOptions::default()
    };
    let Some(mut nats) = there(Nats::start(options)) else {
        return;
    };
    let engines = format!("engines: {{ durable: '{}', size: 64MiB }}", nats.url());
    let mut turn = |on: bool| match on {
        true => nats.start_again().unwrap(),
        false => nats.stop(),
    };
    one_quota_for_two(&engines, &mut turn, false);
}

#[cfg(feature = "redis")]
#[test]
fn two_nodes_have_one_quota_on_a_redis() {
    use peers::{Redis, there};
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let engines = format!("engines: {{ shared: '{}' }}", redis.url());
    let mut turn = |on: bool| match on {
        true => redis.start_again().unwrap(),
        false => redis.stop(),
    };
    // It keeps nothing on disk here.
    one_quota_for_two(&engines, &mut turn, true);
}
