//! Asks the instances beside the path.

use super::core::{Told, is_void, told};
use super::watched::Watched;
use crate::attempt::mirror::{Answer, Seat, ask};
use crate::upstream::Service;
use crate::upstream::ask::{Question, Way};
use crate::upstream::health::Members;
use base::{InstanceIx, Nanos};
use config::sections::Stateful;
use std::sync::Arc;

/// A request that one instance has answered well.
pub struct Probe {
    pub seat: Seat,
    pub question: Question,
    /// Status that its client got.
    pub status: u16,
    /// Who answered, and by which instances it may be compared with: places in the service.
    pub by: InstanceIx,
    pub others: Vec<usize>,
    pub rules: Arc<Stateful>,
    pub service: Arc<Service>,
    pub health: Members,
    pub watched: Arc<Watched>,
}

impl Probe {
    async fn ask(&self, at: usize, question: &Question) -> Option<Answer> {
        let instance = self.service.instances.get(at)?;
        let way = Way::to(&self.service, instance.address.clone());
        let answer = ask(&way, question, &[], self.rules.timeout).await?;
        (!is_void(&answer)).then_some(answer)
    }

    pub async fn run(self, now: Nanos) {
        let all = &self.service.instances;
        let own = all.iter().position(|i| i.ix == self.by);
        let other = (self.others.iter()).find(|i| self.health.usable(**i, now));
        if let (Some(own), Some(other)) = (own, other)
            && self.compare(own, *other).await.is_none()
        {
            self.watched.count_void();
        }
        drop(self.seat);
    }

    async fn compare(&self, own: usize, other: usize) -> Option<()> {
        let q = &self.question;
        let (first, again, there) =
            tokio::join!(self.ask(own, q), self.ask(own, q), self.ask(other, q));
        let (first, again, there) = (first?, again?, there?);
        // What its client got is not there any more: nothing can be said of it.
        (first.status == self.status).then_some(())?;
        let told = told(&first, &again, &there);
        let anyway =
            matches!(told, Told::Status | Told::Body) && self.differ_anyway(own, other).await;
        (self.watched).count(told, anyway, (first.status, there.status));
        Some(())
    }

    /// Whether the two answer differently without the session, too.
    async fn differ_anyway(&self, own: usize, other: usize) -> bool {
        let mut q = self.question.clone();
        let carries = |name: &str| {
            self.rules
                .headers
                .iter()
                .any(|h| h.eq_ignore_ascii_case(name))
        };
        q.headers
            .retain(|(name, _)| !carries(name) && !name.starts_with("plimsoll-session"));
        let (here, there) = tokio::join!(self.ask(own, &q), self.ask(other, &q));
        match (here, there) {
            (Some(here), Some(there)) => here.status != there.status || here.body != there.body,
            // Nobody knows; what differs with a session counts.
            _ => false,
        }
    }
}
