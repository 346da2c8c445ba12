//! How many jobs stand before a new one of each lane, looked at once a second: what estimates at the door count.

use super::Jobs;
use crate::runtime::Shared;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Error, Queue};
use tokio::time::{MissedTickBehavior, interval};

const EACH: Duration = Duration::from_secs(1);

/// Until the gateway ends.
pub async fn look(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    let mut tick = interval(EACH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(now) = shared.upgrade().map(|s| s.clock.now()) else {
            return;
        };
        let (now_ms, mut depths) = (jobs.now_ms(now), BTreeMap::new());
        for queue in jobs.queues() {
            let looked = tokio::task::spawn_blocking(move || depths_of(&*queue, now_ms)).await;
            depths.extend(looked.into_iter().flatten().flatten());
        }
        jobs.set_depths(depths);
    }
}

/// By lane those that have not ended and are due: what is put off stands before nobody.
fn depths_of(queue: &dyn Queue, now_ms: u64) -> Result<Vec<(String, u64)>, Error> {
    let lanes = queue.lanes()?.into_iter();
    let depth = |l: store::Lane| {
        let later = match l.waiting {
            0 => 0,
            _ => queue.put_off(&l.name, now_ms)?,
        };
        Ok((l.name, l.waiting.saturating_sub(later)))
    };
    lanes.map(depth).collect()
}
