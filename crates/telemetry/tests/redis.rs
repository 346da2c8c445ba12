//! The Redis probe against a real server, also while it is down, stalled, full or locked.

mod common;

use common::{Watch, cell, said};
use config::Secret;
use peers::Redis;
use std::path::Path;
use std::time::Duration;
use telemetry::Targets;
use telemetry::probes::redis::{self, RedisTarget};

fn watch(url: &str) -> Watch<redis::Redis> {
    watch_over(url, None)
}

fn watch_over(url: &str, ca: Option<&Path>) -> Watch<redis::Redis> {
    let target = RedisTarget {
        resource: "keys".into(),
        url: Secret::Text(url.into()),
        ca: ca.map(Into::into),
    };
    let targets = Targets {
        stores: vec![target],
        ..Targets::default()
    };
    Watch::new(targets, Duration::from_millis(200))
}

const BUSY: &str = "EVAL \"local t=redis.call('TIME') local e=t[1]*1000000+t[2]+60000 repeat t=redis.call('TIME') \
    until t[1]*1000000+t[2]>e return 1\" 0";

#[test]
fn the_thread_memory_clients_and_slow_commands_are_seen() {
    let settings = [["maxmemory", "3mb"], ["maxmemory-policy", "allkeys-lru"]];
    let Some(server) = peers::there(Redis::start(&settings)) else {
        return;
    };
    let mut w = watch(&server.url());
    w.until("a connection", |s, _| !s.cells.is_empty());
    // Counters of a command tell something from their second reading on.
    server.commands(BUSY).unwrap();
    w.read();
    let scripts = [BUSY; 10].join("\r\n");
    server.commands(&scripts).unwrap();
    let seen = w.read();
    let thread = cell(&seen, &w.names, "db.keys").expect("the thread");
    assert!(
        thread.busy > 0.2 && thread.capacity == Some(1.0),
        "{thread:?}"
    );
    assert!(
        said(&seen, false, "EVAL held its only thread for 6"),
        "{:?}",
        seen.notes
    );
    assert_eq!(seen.statements[0].text, "EVAL");
    assert!(
        (seen.statements[0].seconds - 0.06).abs() < 0.02,
        "{:?}",
        seen.statements[0]
    );
    let memory = cell(&seen, &w.names, "mem.keys").unwrap();
    assert_eq!(memory.capacity, None, "it evicts: full is no limit");
    assert!(memory.level > Some(5e5));
    assert_eq!(
        cell(&seen, &w.names, "slots.keys.connections")
            .unwrap()
            .level,
        Some(1.0)
    );
    let value = "x".repeat(10_000);
    let sets: Vec<String> = (0..400).map(|i| format!("SET k{i} {value}")).collect();
    server.commands(&sets.join("\r\n")).unwrap();
    let seen = w.read();
    let memory = cell(&seen, &w.names, "mem.keys").unwrap();
    assert!(memory.level > Some(2.5e6) && memory.capacity.is_none());
    assert!(!said(&seen, false, "it evicts"), "{:?}", seen.notes);
    // Now what was evicted is asked for again, and evicts what is asked for next.
    let again: Vec<String> = (0..400)
        .map(|i| format!("GET k{i}\r\nSET k{i} {value}"))
        .collect();
    server.commands(&again.join("\r\n")).unwrap();
    let seen = w.read();
    assert!(said(&seen, false, "asked for again"), "{:?}", seen.notes);
    let memory = cell(&seen, &w.names, "mem.keys").unwrap();
    assert_eq!(memory.capacity, Some(3.0 * 1024.0 * 1024.0));
}

#[test]
fn a_store_that_refuses_when_it_is_full_has_a_limit() {
    let Some(server) = peers::there(Redis::start(&[["maxmemory", "3mb"]])) else {
        return;
    };
    let mut w = watch(&server.url());
    let seen = w.until("a connection", |s, _| !s.cells.is_empty());
    let memory = cell(&seen, &w.names, "mem.keys").unwrap();
    assert_eq!(memory.capacity, Some(3.0 * 1024.0 * 1024.0));
}

#[test]
fn a_store_that_is_down_stalled_or_locked_is_said_and_comes_back() {
    let Some(mut server) = peers::there(Redis::start(&[["requirepass", "hunter2"]])) else {
        return;
    };
    let mut w = watch(&server.url());
    w.until("locked", |s, _| said(s, true, "NOAUTH"));
    let (_, port) = server.address();
    w.targets.stores[0].url = Secret::Text(format!("redis://:hunter3@127.0.0.1:{port}"));
    let seen = w.until("refused", |s, _| said(s, true, "WRONGPASS"));
    assert!(!format!("{:?}", seen.notes).contains("hunter"));
    w.targets.stores[0].url = Secret::Text(format!("redis://:hunter2@127.0.0.1:{port}"));
    w.until("let in", |s, _| !s.cells.is_empty());
    server
        .commands("AUTH hunter2\r\nACL SETUSER eye on >pw +info")
        .unwrap();
    w.targets.stores[0].url = Secret::Text(format!("redis://eye:pw@127.0.0.1:{port}"));
    w.until("half of it", |s, _| {
        said(s, false, "slow commands are not seen") && !s.cells.is_empty()
    });
    server.stall(true);
    let seen = w.until("stalled", |s, _| said(s, true, "no answer within"));
    assert!(seen.cells.is_empty());
    server.stall(false);
    w.until("it goes on", |s, _| !s.cells.is_empty());
    server.stop();
    w.until("down", |s, _| {
        said(s, true, "is it running, and the URL right?")
    });
}

#[test]
fn over_tls_its_certificate_is_looked_at() {
    let Some(server) = peers::there(Redis::start_encrypted(&[])) else {
        return;
    };
    let named = server.encrypted_url("localhost");
    watch_over(&named, Some(server.ca())).until("encrypted", |s, _| !s.cells.is_empty());
    watch(&named).until("not trusted", |s, _| {
        said(s, true, "name the CA's file with `ca`")
    });
    let by_address = server.encrypted_url("127.0.0.1");
    watch_over(&by_address, Some(server.ca()))
        .until("another name", |s, _| said(s, true, "for another name"));
    watch(&server.url()).until("not encrypted", |s, _| said(s, true, "connection broke"));
}
