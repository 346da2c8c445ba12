//! The arithmetic of a second, without a database.

use super::second::Memory;
use super::sql::{Backend, Blocked, Counter, Server};
use super::tag::Origins;
use super::worker::{Answer, Facts, Look, Used};
use base::{Names, Scan};
use std::sync::Arc;

fn backend(pid: i32, query_id: i64, route: &str, wait: &str) -> Backend {
    Backend {
        pid,
        application: "shop".into(),
        state: "active".into(),
        wait_type: wait.into(),
        query_id,
        comment: format!("/*route='{route}'*/"),
        ..Backend::default()
    }
}

fn counter(query_id: i64, calls: f64, seconds: f64) -> Counter {
    Counter {
        query_id,
        calls,
        seconds,
        squares: seconds * seconds / calls.max(1.0),
        rows: calls,
    }
}

fn facts() -> Arc<Facts> {
    let scan = Scan {
        table: "orders".into(),
        columns: vec!["customer".into()],
        rows: 1e5,
        bytes: 1e7,
    };
    Arc::new(Facts {
        server: Server {
            sees_all: true,
            connections: 97.0,
            ..Server::default()
        },
        texts: [(1, "SELECT 1".to_owned()), (2, "UPDATE 2".to_owned())].into(),
        scans: [(1, scan)].into(),
        no_plans: None,
    })
}

fn answer(at: f64, looks: Vec<Look>, used: Used) -> Answer {
    Answer {
        at,
        looks,
        used,
        spent: None,
        root: None,
        facts: facts(),
    }
}

#[test]
fn time_of_statements_is_split_by_state_and_by_route() {
    let names = Names::default();
    let (search, buy) = (names.routes.intern("search"), names.routes.intern("buy"));
    let (mut memory, origins) = (Memory::default(), Origins::default());
    let used = |s: f64| {
        Used::Statements(vec![
            counter(1, 40.0 * s, 0.4 * s),
            counter(2, 10.0 * s, 0.2 * s),
        ])
    };
    // Statement 1 computes; three of four looks at statement 2 find it behind the one that holds the stock.
    let look = |wait| Look {
        backends: vec![
            backend(1, 1, "search", ""),
            backend(2, 2, "buy", wait),
            backend(3, 9, "buy", "Client"),
        ],
        blocked: match wait {
            "Lock" => vec![Blocked {
                pid: 2,
                on: "stock".into(),
                by: vec![3],
            }],
            _ => vec![],
        },
        holders: vec![],
    };
    let looks = || vec![look("Lock"), look("Lock"), look("Lock"), look("")];
    let mut last = memory.second(&answer(0.0, looks(), used(1.0)), &origins, &names);
    assert_eq!(last.cpu, None, "counters need a second reading");
    for i in 1..30 {
        last = memory.second(
            &answer(f64::from(i), looks(), used(1.0 + f64::from(i))),
            &origins,
            &names,
        );
    }
    let (s, b) = (last.routes[&search], last.routes[&buy]);
    assert!(
        (s.seconds - 0.4).abs() < 1e-6 && (b.seconds - 0.05).abs() < 1e-6,
        "{last:?}"
    );
    assert!((last.cpu.unwrap() - 0.45).abs() < 1e-6);
    assert_eq!(
        (s.calls.round(), s.rows.round(), s.returned.round()),
        (40.0, 4e6, 40.0)
    );
    assert_eq!(last.locks["stock"].waiting, 0.75);
    assert_eq!(last.connections, 3.0);
    let told = memory.statements("shop", &facts(), &names);
    assert_eq!(told.len(), 2, "what has no text is not told");
    assert_eq!(told[0].routes, [("search".to_owned(), 1.0)]);
    assert_eq!(told[0].scan.as_ref().unwrap().table, "orders");
    assert_eq!(told[1].waits_for.as_deref(), Some("lock.shop.stock"));
    // A reset: nothing is told for one second, and nothing wrong.
    let after = memory.second(&answer(30.0, looks(), used(0.1)), &origins, &names);
    assert!(
        after.routes.is_empty() && after.cpu.is_none_or(|c| c < 3.0),
        "{after:?}"
    );
}

/// On one core, two that compute half of the time, each for twice as long as alone.
#[test]
fn who_shares_a_core_uses_no_more_of_it() {
    let names = Names::default();
    let search = names.routes.intern("search");
    let origins = Origins::default();
    let look = |n: i32| Look {
        backends: (0..n).map(|pid| backend(pid, 1, "search", "")).collect(),
        ..Look::default()
    };
    let looks = || vec![look(1), look(0), look(2), look(1)];
    let used = |s: f64| Used::Statements(vec![counter(1, 40.0 * s, s)]);
    let after = |cores| {
        let mut memory = Memory::new(cores);
        let second = |i| memory.second(&answer(i, looks(), used(i)), &origins, &names);
        (0..30).map(f64::from).map(second).last().unwrap()
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let one = after(Some(1.0));
    assert!(
        near(one.cpu.unwrap(), 0.75) && near(one.routes[&search].seconds, 0.75),
        "{one:?}"
    );
    // With a core for each, and where nobody knows how many there are, time is use.
    for cores in [Some(2.0), None] {
        assert!(near(after(cores).cpu.unwrap(), 1.0), "{cores:?}");
    }
}

#[test]
fn without_statements_looks_and_active_time_tell_the_whole() {
    let names = Names::default();
    let (mut memory, origins) = (Memory::default(), Origins::default());
    let looks = || {
        vec![Look {
            backends: vec![backend(1, 0, "", ""), backend(2, 0, "", "IO")],
            ..Look::default()
        }]
    };
    let whole = |s: f64| Used::Whole(s, "no extension".into());
    memory.second(&answer(0.0, looks(), whole(5.0)), &origins, &names);
    let s = memory.second(&answer(1.0, looks(), whole(5.6)), &origins, &names);
    assert!(
        (s.cpu.unwrap() - 0.3).abs() < 1e-9,
        "half of it was I/O: {s:?}"
    );
    assert_eq!(s.io, (1.0, 0.0));
    // After a gap the counters are of a longer time than the looks.
    let s = memory.second(&answer(60.0, looks(), whole(50.0)), &origins, &names);
    assert_eq!(s.cpu, None);
}

/// A connection whose transaction stays open after statement 1 in three of four looks.
#[test]
fn who_keeps_a_transaction_open_with_nothing_to_do_is_told() {
    let names = Names::default();
    names.routes.intern("report");
    let (mut memory, origins) = (Memory::default(), Origins::default());
    let look = |state: &str| Look {
        backends: vec![Backend {
            state: state.into(),
            ..backend(1, 1, "report", "")
        }],
        ..Look::default()
    };
    let open = "idle in transaction";
    let looks = || vec![look("active"), look(open), look(open), look(open)];
    let used = |s: f64| Used::Statements(vec![counter(1, 40.0 * s, 0.04 * s)]);
    for i in 0..30 {
        let at = f64::from(i);
        memory.second(&answer(at, looks(), used(at)), &origins, &names);
    }
    let told = memory.statements("shop", &facts(), &names);
    assert!((told[0].idle - 0.75).abs() < 1e-9, "{told:?}");
    assert_eq!(told[0].routes, [("report".to_owned(), 1.0)]);
}
