//! How many jobs there are in each lane, looked at about once a second: what estimates at the door count.

use super::Jobs;
use crate::runtime::Shared;
use config::sections::of_lane;
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
    /// Of those the ones that are under way or could be: neither put off nor behind others. `None`: of a topic, or of a queue that several
    /// nodes have, of which nobody asks.
    pub ready: Option<u64>,
}

/// Until the gateway ends.
pub async fn look(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    while let Some(now) = shared.upgrade().map(|s| s.clock.now()) {
        let (begun, now_ms) = (Instant::now(), jobs.now_ms(now));
        let is_own = jobs.shared().is_none();
        let mut depths = BTreeMap::new();
        for queue in jobs.queues() {
            let looked =
                tokio::task::spawn_blocking(move || depths_of(&*queue, is_own, now_ms)).await;
            depths.extend(looked.into_iter().flatten().flatten());
        }
        jobs.set_depths(depths);
        sleep((begun.elapsed() * REST).clamp(EACH, LONGEST)).await;
    }
}

/// By lane.
fn depths_of(queue: &dyn Queue, is_own: bool, now_ms: u64) -> Result<Vec<(String, Depth)>, Error> {
    let depth = |l: store::Lane| {
        let ready = match is_own && of_lane(&l.name).is_none() {
            true if l.waiting == 0 => Some(0),
            true => Some(l.waiting.saturating_sub(queue.put_off(&l.name, now_ms)?)),
            false => None,
        };
        let waiting = l.waiting;
        Ok((l.name, Depth { waiting, ready }))
    };
    queue.lanes()?.into_iter().map(depth).collect()
}
