//! Beside the path: what idle keys hold goes back, keys are counted, and what has expired is removed.

use super::ask::{recount, settle_all};
use super::book::{Quotas, is_due};
use crate::runtime::Shared;
use base::Nanos;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Error, in_parts};

/// How often; what a key holds goes back when nobody has asked for it in so long.
const LOOK: Duration = Duration::from_secs(10);
/// Expired counts that are removed at once, and how often in one look.
const SWEPT: usize = 512;
const SWEEPS: usize = 20;

/// Goes on until the gateway ends.
pub fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    control.spawn(run(shared.quotas.clone(), Arc::downgrade(shared)));
}

async fn run(quotas: Arc<Quotas>, shared: Weak<Shared>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = quotas.another.notified() => {}
        }
        let Some(now) = shared.upgrade().map(|s| s.clock.now()) else {
            return;
        };
        quotas.look_at_the_clock(now);
        if let Err(e) = quotas.tidy(now, LOOK).await {
            tracing::warn!("quotas are not settled: {e}");
        }
    }
}

impl Quotas {
    /// Settles keys that nobody has asked for in so long, counts keys, and removes what has expired.
    pub(super) async fn tidy(&self, now: Nanos, long: Duration) -> Result<(), Error> {
        let Some(store) = self.lent().filter(|_| !self.scopes().is_empty()) else {
            return Ok(());
        };
        self.give_back(now, long).await?;
        let now_ms = self.unix_ms(now);
        recount(self, &store, now_ms).await?;
        in_parts(SWEPT, SWEEPS, |most| store.sweep(most, now_ms)).await
    }

    /// Settles what nobody has asked for in so long; with zero, everything: before the store is taken back.
    ///
    /// # Errors
    /// When the store is away: what is held is lost to all until the period ends.
    pub async fn give_back(&self, now: Nanos, long: Duration) -> Result<(), Error> {
        let Some(store) = self.lent() else {
            return Ok(());
        };
        let now_ms = self.unix_ms(now);
        let others = self.scopes().into_iter().map(|s| s.others.clone());
        let mut all: Vec<_> = others.filter(|e| is_due(e, now, long)).collect();
        all.extend(self.idle(now, long));
        settle_all(&store, &all, now_ms).await
    }
}
