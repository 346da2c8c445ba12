//! What the model has told of a route's jobs.

use super::eta::Demand;
use std::sync::Mutex;

/// Survives new generations, by the route's name. Read when somebody asks for an estimate, never by a request.
#[derive(Debug, Default)]
pub struct Known(Mutex<Option<Demand>>);

impl Known {
    /// `None` forgets.
    pub fn learn(&self, demand: Option<Demand>) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = demand;
    }

    pub fn get(&self) -> Option<Demand> {
        *self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}
