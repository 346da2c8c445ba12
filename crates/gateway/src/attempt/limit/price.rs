//! What one attempt of a route costs of its service's limit.

use super::core::{self, PERMIT};
use crate::gate::Making;
use base::learned::Use;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an attempt of a route costs, beside the average one of its service, in thousandths; the same until something is
/// learned.
#[derive(Debug)]
pub struct Cost {
    held: AtomicU64,
    used: AtomicU64,
}

impl Default for Cost {
    fn default() -> Cost {
        Cost {
            held: AtomicU64::new(PERMIT),
            used: AtomicU64::new(PERMIT),
        }
    }
}

impl Cost {
    pub fn learn(&self, of: Use, mean: Use) {
        self.held.store(core::cost(of.share, mean.share), Relaxed);
        self.used
            .store(core::cost(of.seconds, mean.seconds), Relaxed);
    }

    /// While it is in flight: what counts for a limit.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// In all: what counts for a rate.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    pub fn forget(&self) {
        self.held.store(PERMIT, Relaxed);
        self.used.store(PERMIT, Relaxed);
    }
}

/// The price for attempts of one route in one generation.
#[derive(Clone, Debug)]
pub struct Price {
    /// The configured limit of the service.
    pub configured: Option<u32>,
    learned: Arc<Cost>,
}

impl Price {
    pub fn of(m: &Making<'_>) -> Price {
        Price {
            configured: m.service.config.limit,
            learned: m.kept.get(&m.route.name, Cost::default),
        }
    }

    /// A configured limit counts requests, whatever they cost.
    pub fn milli(&self) -> u64 {
        match self.configured {
            Some(_) => PERMIT,
            None => self.learned.held(),
        }
    }

    /// What it uses in all, beside the average request of the service: what is won by refusing it. 1 with a configured limit.
    pub fn weight(&self) -> f64 {
        match self.configured {
            Some(_) => 1.0,
            None => self.learned.used() as f64 / PERMIT as f64,
        }
    }
}
