//! What one attempt of a route costs of its service's limit.

use super::core::{self, PERMIT};
use crate::gate::Making;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The learned cost of a route, in thousandths of a permit; one permit until something is learned.
#[derive(Debug)]
pub struct Cost(AtomicU64);

impl Default for Cost {
    fn default() -> Cost {
        Cost(AtomicU64::new(PERMIT))
    }
}

impl Cost {
    /// Resource-seconds of one attempt of the route, and of the average one of its service.
    pub fn learn(&self, seconds: f64, mean_s: f64) {
        self.0.store(core::cost(seconds, mean_s), Relaxed);
    }

    pub fn milli(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub fn forget(&self) {
        self.0.store(PERMIT, Relaxed);
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
            None => self.learned.milli(),
        }
    }
}
