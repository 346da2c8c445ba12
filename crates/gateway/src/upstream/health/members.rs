//! The health of all instances of one service, as gates and checks hold it for one generation.

use super::core::{Event, State};
use super::shared::{Group, Health};
use crate::gate::Kept;
use crate::upstream::{Instance, Service};
use base::Nanos;
use config::Address;
use config::sections::Health as Rules;
use std::sync::Arc;

/// In the order of the service's instances. The states outlive it, by `service/address`.
#[derive(Clone, Debug)]
pub struct Members {
    group: Arc<Group>,
    pub(super) all: Vec<Arc<Health>>,
    rules: Rules,
}

impl Members {
    pub fn of(kept: &Kept, service: &Service) -> Members {
        let name = |a: &Address| format!("{}/{a}", service.name);
        let health = |i: &Arc<Instance>| kept.get(&name(&i.address), Health::default);
        Members {
            group: kept.get(&service.name, Group::default),
            all: service.instances.iter().map(health).collect(),
            rules: service.config.health.clone(),
        }
    }

    /// Whether the instance may be chosen.
    #[inline]
    pub fn usable(&self, index: usize, now: Nanos) -> bool {
        self.all.get(index).is_some_and(|h| h.usable(now))
    }

    /// Tells what happened; the state before and after when something may have changed.
    pub fn report(&self, index: usize, event: Event, now: Nanos) -> Option<(State, State)> {
        self.group.report(&self.all, index, event, &self.rules, now)
    }

    pub fn state(&self, index: usize) -> Option<State> {
        self.all.get(index).map(|h| h.state())
    }
}
