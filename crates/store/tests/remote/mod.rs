//! What the engines that are servers have in common in their tests.

use crate::suite;
use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// An answer, or a failure, comes within the time of a call, a connection and some scheduling.
pub const BOUNDED: Duration = Duration::from_secs(4);
/// What has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store on a server; each prefix is one of its own.
pub trait Remote {
    type Peer;
    fn open(peer: &Self::Peer, prefix: &str) -> Self;
    fn prefix(&self) -> &str;
}

pub struct Server<R: Remote> {
    pub peer: R::Peer,
    next: Cell<u32>,
}

impl<R: Remote> Server<R> {
    pub fn of(peer: R::Peer) -> Server<R> {
        let next = Cell::new(0);
        Server { peer, next }
    }

    pub fn open(&self, prefix: &str) -> R {
        R::open(&self.peer, prefix)
    }
}

impl<R: Remote + 'static> suite::Factory for Server<R> {
    type Store = R;
    fn fresh(&self) -> R {
        self.next.set(self.next.get() + 1);
        self.open(&format!("t{}", self.next.get()))
    }
    fn reopen(&self, closed: R) -> R {
        let prefix = closed.prefix().to_owned();
        drop(closed);
        self.open(&prefix)
    }
    fn pass(&self, now_us: &mut u64, us: u64) {
        *now_us += us;
        std::thread::sleep(Duration::from_micros(us));
    }
}

/// Asks until it is answered; every answer comes in time.
pub fn until_answered<S: Debug>(answers: impl Fn() -> bool, standing: impl Fn() -> S) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let begun = Instant::now();
        let answered = answers();
        assert!(begun.elapsed() < BOUNDED);
        if answered {
            return;
        }
        assert!(Instant::now() < end, "{:?}", standing());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until what is wrong says so. The connection that broke gives its own reason until another one was tried for.
pub fn until_wrong(says: &str, wrong: impl Fn() -> Option<String>) {
    let end = Instant::now() + PATIENCE;
    while !wrong().is_some_and(|w| w.contains(says)) {
        assert!(Instant::now() < end, "{:?}", wrong());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The calls of `first` fail in time, those of `again` at once: a thousand times in a second.
pub fn fail_in_time(first: impl Fn(), again: impl Fn()) {
    let begun = Instant::now();
    first();
    assert!(begun.elapsed() < 2 * BOUNDED);
    let begun = Instant::now();
    (0..1000).for_each(|_| again());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
