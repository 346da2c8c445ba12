//! Looks for outliers among the instances of a service as their answers come in.

use super::core::{Ejection, Event};
use super::members::Members;
use super::outlier::{Account, Evidence, LOOK, Usual, judge};
use crate::attempt::limit::Limiter;
use crate::gate::Making;
use crate::tally::Tally;
use base::Nanos;
use config::sections::Outliers;
use std::sync::Arc;
use std::time::Duration;

/// For one route; what it knows of instances is shared by all routes to them.
pub struct Watch {
    service: Arc<str>,
    addresses: Vec<config::Address>,
    members: Members,
    usual: Arc<Usual>,
    limiter: Arc<Limiter>,
    limit: Option<u32>,
    ejects: bool,
    tally: Arc<Tally>,
}

/// What the counts are of.
const NAMES: &[&str] = &["ejected", "would-eject", "cannot-spare"];
const EJECTED: usize = 0;
const WOULD_EJECT: usize = 1;
const CANNOT_SPARE: usize = 2;

impl Watch {
    /// `None`: nobody asks, or there is nobody to compare with.
    pub fn make(m: &Making<'_>) -> Option<Watch> {
        let service = &m.service;
        let mode = service.config.health.outliers;
        (mode != Outliers::Off && service.instances.len() > 1).then(|| Watch {
            service: service.name.clone(),
            addresses: service
                .instances
                .iter()
                .map(|i| i.address.clone())
                .collect(),
            members: Members::of(m.kept, service),
            usual: m.kept.get(&m.route.name, Usual::default),
            limiter: m.kept.get(&service.name, Limiter::default),
            limit: service.config.limit,
            ejects: mode == Outliers::Eject,
            tally: Tally::of(m.kept, "outliers", &service.name, NAMES),
        })
    }

    /// One answer, or failure, of an instance. Now and then the instance is compared with the others.
    pub fn see(&self, index: usize, took: Duration, failed: bool, now: Nanos) {
        let Some(health) = self.members.all.get(index) else {
            return;
        };
        let difference = self.usual.difference(took, failed);
        // Whoever finds it taken leaves one answer out.
        let Ok(mut answers) = health.answers.try_lock() else {
            return;
        };
        let (account, looked) = &mut *answers;
        account.add(difference, now);
        if now.since(*looked) < LOOK || !account.is_enough() {
            return;
        }
        *looked = now;
        let mine = *account;
        drop(answers);
        match judge(&mine, &self.peers(index, now), self.addresses.len()) {
            Some(evidence) => self.stands_out(index, evidence, now),
            None => {
                self.members.report(index, Event::Ordinary, now);
            }
        }
    }

    fn peers(&self, index: usize, now: Nanos) -> Account {
        let others = self.members.all.iter().enumerate();
        let others = others.filter(|(i, h)| *i != index && h.usable(now));
        others.fold(Account::default(), |sum, (_, health)| {
            let answers = health.answers.lock().unwrap_or_else(|e| e.into_inner());
            sum.with(&answers.0.aged(now))
        })
    }

    fn stands_out(&self, index: usize, evidence: Evidence, now: Nanos) {
        let (service, instance) = (&self.service, &self.addresses[index]);
        if !self.ejects {
            self.tally.add(WOULD_EJECT);
            tracing::debug!(%service, %instance, "outlier: {evidence}");
            return;
        }
        let load = self.limiter.load(self.limit);
        let changed = self.members.report(index, Event::Outlier { load }, now);
        match changed {
            Some((before, after)) if before.ejection != after.ejection => {
                self.tally.add(EJECTED);
                let time = match after.ejection {
                    Ejection::Until(until) => until.since(now),
                    _ => Duration::ZERO,
                };
                tracing::warn!(%service, %instance, "ejected for {time:?}: {evidence}");
                // What it did before is no evidence of what it does when it is back.
                let health = &self.members.all[index];
                let mut answers = health.answers.lock().unwrap_or_else(|e| e.into_inner());
                answers.0.forget();
            }
            _ => self.tally.add(CANNOT_SPARE),
        }
    }
}
