//! Where samples leave the path: one bounded ring per thread. A full ring costs a sample and a count, never a wait.

use base::Sample;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub struct Tap {
    ring: RefCell<rtrb::Producer<Sample>>,
}

impl Tap {
    pub fn new(ring: rtrb::Producer<Sample>) -> Tap {
        Tap {
            ring: RefCell::new(ring),
        }
    }

    pub fn push(&self, sample: Sample, dropped: &AtomicU64) {
        if self.ring.borrow_mut().push(sample).is_err() {
            dropped.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Nanos, RouteIx, SampleKind};

    #[test]
    fn a_full_ring_counts_and_goes_on() {
        let (producer, mut consumer) = rtrb::RingBuffer::new(2);
        let (tap, dropped) = (Tap::new(producer), AtomicU64::new(0));
        for i in 0..5 {
            let sample = Sample::new(SampleKind::Request, RouteIx(i), Nanos(0));
            tap.push(sample, &dropped);
        }
        assert_eq!(dropped.load(Relaxed), 3);
        assert_eq!(consumer.pop().map(|s| s.route), Ok(RouteIx(0)));
    }
}
