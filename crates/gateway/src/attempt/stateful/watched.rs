//! What is known of one route, shared by all threads.

use super::core::{Evidence, Told, Verdict};
use crate::attempt::mirror::Budget;
use std::sync::{Arc, Mutex, MutexGuard};

/// Lives on across generations.
#[derive(Debug)]
pub struct Watched {
    route: String,
    service: String,
    pub budget: Arc<Budget>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    evidence: Evidence,
    compared: u64,
    void: u64,
    /// Statuses of the last one that differed: here, and at another instance.
    example: Option<(u16, u16)>,
}

/// What came of one route's probes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    pub route: String,
    pub service: String,
    pub verdict: Verdict,
    /// That sessions are kept, 0 to 1.
    pub confidence: f64,
    /// Share of requests with a session that are answered differently elsewhere, at most (95 %).
    pub at_most: f64,
    /// What both rest on: counts that are halved now and then.
    pub evidence: Evidence,
    pub example: Option<(u16, u16)>,
    /// Since the start: compared, without an answer that says anything, left out to stay in bounds.
    pub compared: u64,
    pub void: u64,
    pub left_out: u64,
}

impl Watched {
    pub fn new(route: &str, service: &str) -> Watched {
        Watched {
            route: route.to_owned(),
            service: service.to_owned(),
            budget: Arc::default(),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// An instance did not answer, or only that it is broken.
    pub fn count_void(&self) {
        self.known().void += 1;
    }

    /// `statuses`: here, and at the other instance.
    pub fn count(&self, told: Told, anyway: bool, statuses: (u16, u16)) {
        let mut known = self.known();
        known.compared += 1;
        known.evidence.add(told, anyway);
        if matches!(told, Told::Status | Told::Body) && !anyway {
            known.example = Some(statuses);
        }
    }

    pub fn finding(&self) -> Finding {
        let known = self.known();
        Finding {
            route: self.route.clone(),
            service: self.service.clone(),
            verdict: known.evidence.verdict(),
            confidence: known.evidence.confidence(),
            at_most: known.evidence.at_most(),
            evidence: known.evidence,
            example: known.example,
            compared: known.compared,
            void: known.void,
            left_out: self.budget.left_out(),
        }
    }
}
