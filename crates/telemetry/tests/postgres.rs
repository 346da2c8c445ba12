//! The PostgreSQL probe against a real server, also while it is down, stalled, without rights or extension.

mod common;

use base::Names;
use base::window::UseCell;
use common::{Seen, Watch, cell, said};
use config::Secret;
use peers::Postgres;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;
use telemetry::Targets;
use telemetry::probes::postgres::{self, PostgresTarget};

/// Servers are started one after the other: a port that one test found free is not given to two.
static ONE: Mutex<()> = Mutex::new(());
const STATEMENTS: &str = "shared_preload_libraries=pg_stat_statements";

fn server(settings: &[&str]) -> Option<Postgres> {
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let all: Vec<&str> = [STATEMENTS]
        .into_iter()
        .chain(settings.iter().copied())
        .collect();
    peers::there(Postgres::start(&all))
}

fn watch(url: &str) -> Watch<postgres::Postgres> {
    watch_over(url, None)
}

fn watch_over(url: &str, ca: Option<&Path>) -> Watch<postgres::Postgres> {
    let target = PostgresTarget {
        resource: "orders".into(),
        url: Secret::Text(url.into()),
        ca: ca.map(Into::into),
        cores: Some(2.0),
    };
    let targets = Targets {
        databases: vec![target],
        ..Targets::default()
    };
    let w = Watch::new(targets, Duration::from_millis(400));
    w.names.routes.intern("search");
    w.names.routes.intern("reserve");
    w
}

fn send(client: &mut Child, text: &str) {
    let pipe = client.stdin.as_mut().unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
    pipe.flush().unwrap();
}

fn end(mut client: Child) {
    drop(client.stdin.take());
    let _ = client.kill();
    let _ = client.wait();
}

#[test]
fn a_missing_index_a_lock_and_their_routes_are_seen() {
    let Some(db) = server(&["max_connections=20"]) else {
        return;
    };
    db.sql(
        "CREATE EXTENSION pg_stat_statements;
         CREATE TABLE orders AS SELECT n AS id, n % 5000 AS customer, repeat('x', 50) AS note FROM generate_series(1, 100000) n;
         CREATE TABLE stock (item int PRIMARY KEY, n int); INSERT INTO stock VALUES (1, 9); ANALYZE",
    )
    .unwrap();
    // After which the statistics collector counts its rows twice.
    db.sql("VACUUM ANALYZE orders").unwrap();
    let mut w = watch(&db.url());
    w.until("a connection", |s, n| {
        cell(s, n, "slots.orders.connections").is_some()
    });
    let mut searcher = db.client("shop").unwrap();
    let search =
        "SELECT count(note) FROM orders WHERE customer = 7 /*route='search'*/ \\watch 0.001\n";
    send(&mut searcher, search);
    let mut holder = db.client("shop").unwrap();
    let lock = "SELECT n FROM stock WHERE item = 1 FOR UPDATE /*route='reserve'*/;\n";
    send(&mut holder, &format!("BEGIN;\n{lock}"));
    let mut waiter = db.client("shop").unwrap();
    w.until("the holder", |_, _| {
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
        db.sql(idle).as_deref() == Ok("1")
    });
    send(&mut waiter, &format!("BEGIN;\n{lock}"));

    let seen = w.until("a waiter, and a second of searches", |s, n| {
        let search = n.routes.find("search");
        let searches = |u: &UseCell| Some(u.key.route) == search && u.calls > 5.0;
        cell(s, n, "lock.orders.stock").is_some_and(|c| c.waiting > Some(0.9))
            && s.uses.iter().any(searches)
    });
    let names = &w.names;
    let search_ix = names.routes.find("search").unwrap();
    let told = seen.uses.iter().find(|u| u.key.route == search_ix).unwrap();
    assert!(
        told.busy_s > 0.2 && told.busy_s < 1.5 && told.calls > 5.0,
        "{told:?}"
    );
    let cpu = cell(&seen, names, "db.orders").unwrap();
    assert!(cpu.background.is_some(), "it runs here: {cpu:?}");
    assert!(
        (told.busy_s / cpu.busy - 1.0).abs() < 0.3,
        "{cpu:?} {told:?}"
    );
    assert_eq!(
        cell(&seen, names, "slots.orders.connections")
            .unwrap()
            .capacity,
        Some(17.0)
    );

    let seen = w.until("the plan", |s, _| {
        s.statements
            .iter()
            .any(|s| s.scan.is_some() && !s.routes.is_empty())
    });
    let scan = seen.statements.iter().find(|s| s.scan.is_some()).unwrap();
    let of = scan.scan.as_ref().unwrap();
    assert_eq!(
        (of.table.as_str(), of.columns.join(",")),
        ("orders", "customer".to_owned())
    );
    assert!(
        (of.rows / 1e5 - 1.0).abs() < 0.1 && of.bytes > 1e6,
        "{of:?}"
    );
    assert_eq!(scan.routes, [("search".to_owned(), 1.0)]);
    assert!(
        scan.text.contains("customer = $1"),
        "values are left out: {}",
        scan.text
    );
    let locked = seen
        .statements
        .iter()
        .find(|s| s.waits_for.is_some())
        .unwrap();
    assert_eq!(locked.waits_for.as_deref(), Some("lock.orders.stock"));
    assert_eq!(locked.holds.as_deref(), Some("lock.orders.stock"));

    // Every connection but those for superusers is taken: said with what to do.
    let crowd: Vec<Child> = (0..13).map(|_| db.client("crowd").unwrap()).collect();
    w.until("full", |s, _| said(s, false, "connection slots are taken"));
    crowd
        .into_iter()
        .chain([searcher, holder, waiter])
        .for_each(end);
    db.sql("SELECT pg_stat_statements_reset()").unwrap();
    let after = w.read();
    assert!(
        after.uses.iter().all(|u| u.busy_s < 5.0),
        "a reset is no negative work"
    );
}

#[test]
fn an_advisory_lock_has_one_holder_who_is_seen() {
    let Some(db) = server(&[]) else {
        return;
    };
    let mut w = watch(&db.url());
    w.until("a connection", |s, n| {
        cell(s, n, "slots.orders.connections").is_some()
    });
    let take = "BEGIN;\nSELECT pg_advisory_xact_lock(7) /*route='reserve'*/;\n";
    let mut clients: Vec<Child> = (0..2).map(|_| db.client("shop").unwrap()).collect();
    for client in &mut clients {
        send(client, take);
    }
    let seen = w.until("its holder and its waiter", |s, n| {
        cell(s, n, "lock.orders.advisory").is_some_and(|c| c.busy > 0.9)
    });
    let lock = cell(&seen, &w.names, "lock.orders.advisory").unwrap();
    assert!(
        lock.waiting.is_some_and(|w| (w - 1.0).abs() < 0.2),
        "{lock:?}"
    );
    clients.into_iter().for_each(end);
}

#[test]
fn a_database_that_is_down_stalled_or_restarted_is_said_and_comes_back() {
    let Some(mut db) = server(&[]) else { return };
    db.sql("CREATE EXTENSION pg_stat_statements").unwrap();
    let mut w = watch(&db.url());
    let looked = |s: &Seen, n: &Names| cell(s, n, "slots.orders.connections").is_some();
    w.until("a connection", looked);
    db.stall(true);
    let seen = w.until("stalled", |s, _| {
        said(s, true, "overloaded, stalled or unreachable")
    });
    assert!(seen.cells.is_empty(), "a missing number is never a zero");
    db.stall(false);
    w.until("it goes on", looked);
    db.stop();
    let seen = w.until("down", |s, _| {
        said(s, true, "is it running, and the URL right?")
    });
    let all = format!("{:?}", seen.notes);
    assert!(!all.contains("not-checked"), "no password: {all}");
    db.run().unwrap();
    let seen = w.until("back", |s, n| looked(s, n) && said(s, false, "restarted"));
    assert!(seen.notes.iter().all(|n| !n.blind));
}

#[test]
fn what_rights_and_extensions_are_missing_is_said_and_the_rest_is_seen() {
    let Some(db) = server(&[]) else { return };
    db.sql("CREATE ROLE app LOGIN; CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor")
        .unwrap();
    let mut w = watch(&db.url_of("app"));
    let seen = w.until("hidden", |s, _| said(s, false, "GRANT pg_monitor"));
    assert!(said(&seen, false, "CREATE EXTENSION pg_stat_statements"));
    assert!(cell(&seen, &w.names, "lock.orders.stock").is_none());
    db.sql(
        "CREATE EXTENSION pg_stat_statements; CREATE TABLE big AS SELECT n AS id FROM generate_series(1, 50000) n;
         REVOKE ALL ON big FROM PUBLIC",
    )
    .unwrap();
    let mut w = watch(&db.url_of("monitor"));
    let mut client = db.client("app").unwrap();
    send(
        &mut client,
        "SELECT * FROM big WHERE id = 3 \\watch 0.001\n",
    );
    let seen = w.until("plans are hidden", |s, _| {
        said(s, false, "GRANT pg_read_all_data")
    });
    assert!(said(&seen, false, "no statement carries a route"));
    assert!(cell(&seen, &w.names, "db.orders").is_some_and(|c| c.busy >= 0.0));
    end(client);

    let nowhere = Secret::Env("PLIMSOLL_TEST_NOT_SET".into());
    w.targets.databases[0].url = nowhere;
    w.until("no URL", |s, _| {
        said(s, true, "`PLIMSOLL_TEST_NOT_SET` is not set")
    });
    w.targets.databases[0].url = Secret::Text("postgres://u:hunter2@h:port/".into());
    let seen = w.until("a bad URL", |s, _| said(s, true, "its URL cannot be read"));
    assert!(!format!("{:?}", seen.notes).contains("hunter2"));
    assert_eq!(w.read().cells, []);
}

#[test]
fn over_tls_the_certificate_counts_as_the_url_says() {
    let Some(db) = peers::there(Postgres::start_encrypted(&[])) else {
        return;
    };
    let url = |host: &str, mode: &str| db.url_at("postgres", host) + mode;
    let seen = |url: &str, ca: Option<&Path>| {
        watch_over(url, ca).until(url, |s, _| !s.cells.is_empty());
    };
    let blind = |url: &str, ca: Option<&Path>, why: &str| {
        watch_over(url, ca).until(why, |s, _| said(s, true, why));
    };
    // A CA in the config asks for all of it.
    seen(&url("localhost", ""), db.ca());
    seen(&url("localhost", "?sslmode=verify-full"), db.ca());
    blind(&url("127.0.0.1", ""), db.ca(), "for another name");
    seen(&url("127.0.0.1", "?sslmode=verify-ca"), db.ca());
    // Without one: whom the system trusts, or nobody is looked at.
    blind(
        &url("localhost", "?sslmode=verify-full"),
        None,
        "name the CA's file with `ca`",
    );
    seen(&url("127.0.0.1", "?sslmode=require"), None);
    seen(&url("127.0.0.1", ""), None);
    blind(&url("127.0.0.1", "?sslmode=disable"), None, "no encryption");
    let missing = Path::new("/nowhere/ca.pem");
    blind(
        &url("localhost", ""),
        Some(missing),
        "the CA file /nowhere/ca.pem cannot be read",
    );
}

#[test]
fn tls_that_is_demanded_is_not_done_without() {
    let Some(db) = server(&[]) else { return };
    let mut w = watch(&(db.url() + "?sslmode=verify-full"));
    w.until("plain", |s, _| said(s, true, "the database speaks no TLS"));
}
