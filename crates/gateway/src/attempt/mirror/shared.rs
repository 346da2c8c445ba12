//! What all threads share of one route's mirror: its budget, and what came of it.

use super::budget::Budget;
use super::core::Differs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lives on across generations.
#[derive(Debug)]
pub struct Mirrored {
    route: String,
    /// The service that gets the copies.
    to: String,
    pub budget: Arc<Budget>,
    /// Copies that the other service, or the own one when asked again, did not answer.
    unanswered: [AtomicU64; 2],
    compared: AtomicU64,
    /// Status, headers, body: between the two services, and between two answers of the own one.
    differ: [AtomicU64; 3],
    noise: [AtomicU64; 3],
}

/// The numbers of one mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub route: String,
    pub to: String,
    pub in_flight: u32,
    pub left_out: u64,
    /// By the other service, and by the own one when asked again.
    pub unanswered: [u64; 2],
    pub compared: u64,
    /// Status, headers, body.
    pub differ: [u64; 3],
    pub noise: [u64; 3],
}

impl Mirrored {
    pub fn new(route: &str, to: &str) -> Mirrored {
        Mirrored {
            route: route.to_owned(),
            to: to.to_owned(),
            budget: Arc::default(),
            unanswered: Default::default(),
            compared: AtomicU64::new(0),
            differ: Default::default(),
            noise: Default::default(),
        }
    }

    /// `whose`: 0 for the other service, 1 for the own one.
    pub fn count_unanswered(&self, whose: usize) {
        self.unanswered[whose].fetch_add(1, Relaxed);
    }

    pub fn count(&self, differ: Differs, noise: Differs) {
        self.compared.fetch_add(1, Relaxed);
        for (counts, d) in [(&self.differ, differ), (&self.noise, noise)] {
            for (count, differs) in counts.iter().zip([d.status, d.headers, d.body]) {
                count.fetch_add(u64::from(differs), Relaxed);
            }
        }
    }

    pub fn counts(&self) -> Counts {
        let all = |a: &[AtomicU64; 3]| [0, 1, 2].map(|i| a[i].load(Relaxed));
        Counts {
            route: self.route.clone(),
            to: self.to.clone(),
            in_flight: self.budget.in_flight(),
            left_out: self.budget.left_out(),
            unanswered: [0, 1].map(|i| self.unanswered[i].load(Relaxed)),
            compared: self.compared.load(Relaxed),
            differ: all(&self.differ),
            noise: all(&self.noise),
        }
    }
}
