//! Where notes leave the path: one bounded ring per thread, and one on which the boxes come back empty.

use super::{Notes, Rules};
use crate::snapshot::Route;
use base::Sample;
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lines that one thread's ring holds until they are written; a pointer each.
pub const RING: usize = 4096;
/// Boxes that come back to be used again; more are thrown away.
pub const SPARE: usize = 256;

/// What is known of a request when it has ended.
pub struct End {
    pub sample: Sample,
    /// `None`: none matched.
    pub route: Option<Arc<Route>>,
    pub client: IpAddr,
    /// 0: none.
    pub trace: u128,
    pub rules: Arc<Rules>,
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("End")
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

/// The traffic thread's ends of both rings.
pub struct AccessTap {
    ring: RefCell<rtrb::Producer<Box<Notes>>>,
    spare: RefCell<rtrb::Consumer<Box<Notes>>>,
}

/// The writer's ends of both rings.
pub struct Taken {
    ring: rtrb::Consumer<Box<Notes>>,
    spare: rtrb::Producer<Box<Notes>>,
}

impl AccessTap {
    pub fn pair() -> (AccessTap, Taken) {
        let (full, taken) = rtrb::RingBuffer::new(RING);
        let (empty, spare) = rtrb::RingBuffer::new(SPARE);
        let tap = AccessTap {
            ring: RefCell::new(full),
            spare: RefCell::new(spare),
        };
        let taken = Taken {
            ring: taken,
            spare: empty,
        };
        (tap, taken)
    }

    /// A box for the notes of a request, used before or new.
    pub fn spare(&self) -> Box<Notes> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub fn push(&self, mut notes: Box<Notes>, end: End, dropped: &AtomicU64) {
        notes.end = Some(end);
        if self.ring.borrow_mut().push(notes).is_err() {
            dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Taken {
    pub fn take(&mut self) -> Option<Box<Notes>> {
        self.ring.pop().ok()
    }

    pub fn give_back(&mut self, mut notes: Box<Notes>) {
        notes.clear();
        // Full: enough of them are there.
        let _ = self.spare.push(notes);
    }
}
