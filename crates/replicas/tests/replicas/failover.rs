//! Databases that stop, die, are promoted and come back, while sessions go on.

use crate::common::until;
use crate::history::{Event, all_wrong, play, wrong};
use crate::stage::{Session, Stage};
use std::time::Duration;

/// Histories that go on where others ended.
struct Long {
    sessions: Vec<Session>,
    histories: Vec<Vec<Event>>,
}

impl Long {
    fn turn(&mut self, write: bool) -> usize {
        let mut refused = 0;
        for (i, (session, history)) in self
            .sessions
            .iter_mut()
            .zip(&mut self.histories)
            .enumerate()
        {
            match session.event(write, "session", &format!("long-{i}")) {
                Some(event) => history.push(event),
                None => refused += 1,
            }
        }
        refused
    }

    fn holds(&self) {
        for history in &self.histories {
            assert_eq!(wrong(history), (0, 0));
        }
    }
}

#[test]
fn no_session_reads_behind_itself_when_databases_stop_die_and_are_promoted() {
    let Some(mut stage) = Stage::start() else {
        return;
    };
    let mut long = Long {
        sessions: (0..4).map(|_| stage.session()).collect(),
        histories: vec![Vec::new(); 4],
    };
    assert_eq!(long.turn(true), 0);
    assert_eq!(long.turn(false), 0);

    // A replica that stands still is left alone, and used again.
    stage.databases[1].stall(true);
    let during = play(&stage, "session", 4, Duration::from_millis(1500));
    assert_eq!(all_wrong(&during), (0, 0));
    let mut other = stage.session();
    until("the stalled one is left alone", || {
        let answer = other.ask("GET", "/eventual/x");
        other.cookie = None;
        answer.is_some_and(|a| a.status == 200 && a.header("x-database") == Some("r2"))
    });
    stage.databases[1].stall(false);
    until("it is used again", || {
        let answer = other.ask("GET", "/eventual/x");
        other.cookie = None;
        answer.is_some_and(|a| a.header("x-database") == Some("r1"))
    });

    // The primary dies, with all that it had acknowledged on its way to the replicas.
    assert_eq!(long.turn(true), 0);
    let end = stage.databases[0]
        .sql("SELECT pg_current_wal_flush_lsn()")
        .unwrap();
    until("the replicas have all of it", || {
        let has = format!("SELECT pg_last_wal_receive_lsn() >= '{end}'");
        stage.databases[1..]
            .iter()
            .all(|r| r.sql(&has).unwrap() == "t")
    });
    stage.databases[0].kill();
    let mut one = stage.session();
    until("what must be new is refused", || {
        let answer = one.ask("GET", "/strong/x");
        answer.is_some_and(|a| a.status == 503 && a.reason() == "no-primary")
    });
    let write = one.ask("PUT", "/session/x").unwrap();
    assert_eq!(write.status, 500, "it answers as the service does");
    until("replicas go on answering", || long.turn(false) == 0);
    long.holds();

    stage.databases[2].promote().unwrap();
    until("the promoted one is the primary", || {
        let answer = one.ask("PUT", "/strong/x");
        answer.is_some_and(|a| a.status == 200 && a.header("x-database") == Some("r2"))
    });
    assert!(
        one.cookie.as_ref().unwrap().contains("=00000002"),
        "{:?}",
        one.cookie
    );
    assert_eq!(long.turn(true), 0);
    for _ in 0..20 {
        assert_eq!(long.turn(false), 0);
    }
    long.holds();

    // The old one comes back and believes that it is the primary.
    let latest = one.version("PUT", "/strong/x").unwrap();
    stage.databases[0].run().unwrap();
    assert_eq!(
        stage.databases[0]
            .sql("SELECT pg_is_in_recovery()")
            .unwrap(),
        "f"
    );
    let mut fresh = stage.session();
    let again = std::time::Instant::now() + Duration::from_millis(700);
    while std::time::Instant::now() < again {
        assert_eq!(fresh.version("GET", "/strong/x"), Some(latest));
        assert_eq!(one.version("GET", "/session/x"), Some(latest));
    }
}
