//! What the thread of the objectives shares with the console and the notifiers.

use super::metrics;
use ::slo::{Alert, Scope, SloStatus, State, Watch};
use arc_swap::ArcSwapOption;
use catalog::Catalog;
use control::policy::Budget;
use control::ports::Budgets;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Default)]
pub struct Shown {
    watch: Mutex<Watch>,
    /// Alerts whose notifiers have been told, and which are not stored since; by id.
    told: Mutex<Vec<String>>,
    /// As it was read last; not under the lock of `watch`, since a disk may hang.
    catalog: ArcSwapOption<Catalog>,
}

impl Shown {
    pub fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn metrics(&self) -> String {
        metrics::page(&self.watch().status())
    }

    /// `None`: it was not read yet.
    pub fn catalog(&self) -> Option<Arc<Catalog>> {
        self.catalog.load_full()
    }

    pub fn declare(&self, catalog: Catalog) {
        self.catalog.store(Some(Arc::new(catalog)));
    }

    /// To be stored at the next turn.
    pub fn tell(&self, id: &str) {
        let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
        if !told.iter().any(|t| t == id) {
            told.push(id.to_owned());
        }
    }

    pub fn untold(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Budgets for Shown {
    fn left(&self) -> Vec<Budget> {
        let of = |s: SloStatus| Budget {
            left: s.budget_left,
            route: (s.objective.scope == Scope::Route).then_some(s.objective.name),
            objective: s.objective.id,
            service: s.objective.service,
        };
        self.watch().status().into_iter().map(of).collect()
    }
}

impl console::Slos for Shown {
    fn slos(&self) -> Vec<SloStatus> {
        self.watch().status()
    }

    fn alerts(&self) -> Vec<Alert> {
        let all = self.watch().alerts().to_vec();
        let (mut all, mut past): (Vec<Alert>, Vec<Alert>) =
            (all.into_iter()).partition(|a| a.state == State::Firing);
        // First what somebody was woken by.
        all.sort_by_key(|a| (a.severity, a.started_ms, a.scope == Scope::Route));
        past.sort_by_key(|a| std::cmp::Reverse(a.started_ms));
        all.extend(past);
        all
    }
}
