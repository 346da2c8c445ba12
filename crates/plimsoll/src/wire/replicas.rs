//! What API and metrics tell of databases with replicas.

use gateway::Gateway;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub struct Replicas(pub Arc<Mutex<Option<Gateway>>>);

impl Replicas {
    /// As `GET /api/v1/replicas` tells it.
    pub fn shown(&self) -> Value {
        let gateway = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let Some(gateway) = gateway.as_ref() else {
            return json!({ "replications": [], "routes": [] });
        };
        let (groups, clock) = gateway.replications();
        ::replicas::shown(&groups, &gateway.gauges().decisions, clock.now())
    }

    /// For Prometheus; nothing without a replication.
    pub fn metrics(&self) -> String {
        let gateway = self.0.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map_or(String::new(), |g| {
            let (groups, clock) = g.replications();
            ::replicas::metrics(&groups, clock.now())
        })
    }
}
