//! How many jobs there are in each lane, looked at about once a second: what estimates at the door count.

use super::Jobs;
use crate::runtime::Shared;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Error, Queue};
use tokio::time::{Instant, sleep};

/// Between two looks, and how many times what one takes: with a million jobs it has to count them. At most so long.
const EACH: Duration = Duration::from_secs(1);
const REST: u32 = 100;
const LONGEST: Duration = Duration::from_secs(5);

/// Jobs of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// That have not ended.
    pub waiting: u64,
    /// Of those the ones that are under way or could be: neither put off nor behind others.
    pub ready: u64,
}

/// Until the gateway ends.
pub async fn look(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    while let Some(now) = shared.upgrade().map(|s| s.clock.now()) {
        let (begun, now_ms) = (Instant::now(), jobs.now_ms(now));
        let mut depths = BTreeMap::new();
        for queue in jobs.queues() {
            let looked = tokio::task::spawn_blocking(move || depths_of(&*queue, now_ms)).await;
            depths.extend(looked.into_iter().flatten().flatten());
        }
        jobs.set_depths(depths);
        sleep((begun.elapsed() * REST).clamp(EACH, LONGEST)).await;
    }
}

/// By lane.
fn depths_of(queue: &dyn Queue, now_ms: u64) -> Result<Vec<(String, Depth)>, Error> {
    let depth = |l: store::Lane| {
        let away = match l.waiting {
            0 => 0,
            _ => queue.put_off(&l.name, now_ms)?,
        };
        let depth = Depth {
            waiting: l.waiting,
            ready: l.waiting.saturating_sub(away),
        };
        Ok((l.name, depth))
    };
    queue.lanes()?.into_iter().map(depth).collect()
}
