//! A backup is taken while the store is written to, and is a store like any other.

use crate::suite::queue::new;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use store::{Bounds, Embedded, Error, Queue, State, embedded};

#[test]
fn what_was_acknowledged_before_it_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Arc::new(Embedded::open(&path).unwrap());
    let big = "x".repeat(100_000);
    let jobs = vec![new("l", &big)];
    let large = store.enqueue(jobs, Bounds::NONE).wait().unwrap()[0];
    let (acked, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let writer = {
        let (store, acked, stop) = (store.clone(), acked.clone(), stop.clone());
        std::thread::spawn(move || {
            while stop.load(SeqCst) == 0 {
                let jobs = vec![new("l", "small")];
                let ids = store.enqueue(jobs, Bounds::NONE).wait().unwrap();
                acked.store(ids[0].seq, SeqCst);
            }
        })
    };
    while acked.load(SeqCst) < 20 {
        std::thread::yield_now();
    }
    for n in 0..3 {
        let before = acked.load(SeqCst);
        let copy = dir.path().join(format!("copies/{n}.db"));
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        embedded::copy(&path, &copy).unwrap();
        let copied = Embedded::open(&copy).unwrap();
        let jobs = copied.jobs("l", State::Waiting, 0, 10_000).unwrap();
        let all: Vec<u64> = jobs.iter().map(|j| j.id.seq).collect();
        assert!(all.len() as u64 >= before, "{} of {before}", all.len());
        assert!((1..).zip(&all).all(|(n, seq)| n == *seq), "a whole moment");
        let got = copied.lease("l", 1, 10, 0).wait().unwrap();
        assert_eq!(got[0].id, large);
        assert_eq!(got[0].payload.clone().read().unwrap(), big.as_bytes());
    }
    stop.store(1, SeqCst);
    writer.join().unwrap();
}

#[test]
fn what_is_there_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("q.db"), dir.path().join("copy.db"));
    drop(Embedded::open(&path).unwrap());
    std::fs::write(&to, "precious").unwrap();
    let e = embedded::copy(&path, &to).unwrap_err();
    assert!(matches!(e, Error::Invalid(_)), "{e}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "precious");
    let odd = embedded::copy(&to, &dir.path().join("other.db")).unwrap_err();
    assert!(matches!(odd, Error::Foreign { .. }), "{odd}");
}
