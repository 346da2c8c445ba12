//! The ledger: two who write at once, and the loops on top of it as they run in the binary.

use crate::common::*;
use control::ledger::{Event, Ledger, LedgerError, Note};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Embedded;

fn generation(number: u64) -> Note {
    let event = Event::GenerationPublished {
        number,
        hash: number.to_string(),
        overlays: vec![],
    };
    Note::new("test", "count", event)
}

#[test]
fn who_loses_the_race_decides_again_on_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(dir.path().join("l.db")).unwrap());
    let (a, b) = (
        Ledger::open(store.clone()).unwrap(),
        Ledger::open(store).unwrap(),
    );
    let count = |ledger: &Ledger| {
        let mut asked = 0;
        let state = ledger.transact(5, |s| {
            asked += 1;
            Ok::<_, LedgerError>(vec![generation(s.generation + 1)])
        });
        (state.unwrap().generation, asked)
    };
    assert_eq!(count(&a), (1, 1));
    // b has not seen a's entry: its first decision is refused by the store, its second stands on it.
    assert_eq!(count(&b), (2, 2));
    assert_eq!(count(&a), (3, 2));
    let all = b.history(10).unwrap();
    assert_eq!(all.iter().map(|e| e.version).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(b.history(1).unwrap()[0].version, 3);
}

#[test]
fn a_decision_that_is_refused_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(dir.path().join("l.db")).unwrap());
    let ledger = Ledger::open(store).unwrap();
    let refused = ledger.transact(0, |_| Err::<Vec<Note>, _>(LedgerError::Contended));
    assert_eq!(refused.err(), Some(LedgerError::Contended));
    let nothing = ledger.transact(0, |_| Ok::<_, LedgerError>(vec![]));
    assert_eq!(nothing.unwrap().version, 0);
    assert!(ledger.history(10).unwrap().is_empty());
}

#[test]
fn the_loops_learn_by_themselves_and_stop_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let w = started(dir.path(), FILE, 1000).unwrap_or_else(|f| panic!("{f:?}"));
    let end = Instant::now() + Duration::from_secs(20);
    while w
        .control
        .diagnose()
        .diagnosis
        .is_none_or(|d| d["from"] != "twin")
    {
        assert!(Instant::now() < end, "{:?}", w.control.status());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(w.control.status().loops.len(), 5);
    w.control.stop();
    assert!(w.control.status().loops.is_empty());
    // Answers go on.
    assert_eq!(w.control.status().generation, 1);
}
