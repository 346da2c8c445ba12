//! Where notes leave the path: one bounded ring per thread.

use super::{Notes, Rules};
use crate::snapshot::Route;
use base::Sample;
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lines that one thread's ring holds until they are written; a pointer each.
pub const RING: usize = 4096;

/// Everything that a line is made of.
pub struct Entry {
    pub notes: Box<Notes>,
    pub sample: Sample,
    /// `None`: none matched.
    pub route: Option<Arc<Route>>,
    pub client: IpAddr,
    /// 0: none.
    pub trace: u128,
    pub rules: Arc<Rules>,
}

pub struct AccessTap {
    ring: RefCell<rtrb::Producer<Box<Entry>>>,
}

impl AccessTap {
    pub fn new(ring: rtrb::Producer<Box<Entry>>) -> AccessTap {
        AccessTap {
            ring: RefCell::new(ring),
        }
    }

    pub fn push(&self, entry: Entry, dropped: &AtomicU64) {
        if self.ring.borrow_mut().push(Box::new(entry)).is_err() {
            dropped.fetch_add(1, Relaxed);
        }
    }
}
