//! What compression shares: what it has saved, how many are under way, and whether a service's link is what fills first.

use base::Class;
use base::learned::{CONFIDENT, Protection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bodies that are compressed at once; each takes one to two megabytes at most.
const MOST: usize = 256;

/// Of one route.
#[derive(Debug, Default)]
pub struct Bytes {
    pub route: String,
    /// Into the encoders, and out of them.
    pub came: AtomicU64,
    pub sent: AtomicU64,
    /// Of answers that would have been compressed, where their lengths were told; an estimate.
    pub left: AtomicU64,
}

#[derive(Debug, Default)]
pub struct Coders(AtomicUsize);

/// One body's place among them.
pub struct Permit(Arc<Coders>);

impl Coders {
    /// `None`: enough are under way.
    pub fn permit(self: &Arc<Coders>) -> Option<Permit> {
        let more = |n| (n < MOST).then_some(n + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Permit(self.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// Whether the link is what a service fills first. Once it was, it stays so while the process lives: compressing is what
/// makes the link cheap, and to stop for that reason would be to swing.
#[derive(Debug, Default)]
pub struct Link(AtomicBool);

impl Link {
    pub fn learn(&self, of: &Protection) {
        if of.confidence >= CONFIDENT && Class::from_name(&of.resource) == Class::Network {
            self.0.store(true, Relaxed);
        }
    }

    pub fn fills_first(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_was_full_once_stays_dear_and_a_guess_is_none() {
        let link = Link::default();
        let learn = |resource: &str, confidence| {
            link.learn(&Protection {
                service: "s".into(),
                resource: resource.into(),
                confidence,
                ..Protection::default()
            });
            link.fills_first()
        };
        assert!(!learn("cpu.s", 1.0) && !learn("net.s", 0.5));
        assert!(learn("net.s", 0.95) && learn("cpu.s", 1.0));
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let coders = Arc::new(Coders::default());
        let held: Vec<_> = (0..MOST).map(|_| coders.permit().unwrap()).collect();
        assert!(coders.permit().is_none());
        drop(held);
        assert!(coders.permit().is_some());
    }
}
