//! One replication: its databases, and the samples that requests wait for.

use crate::database::{self, Shared, lock, within};
use base::clock::Clock;
use gateway::replicas::{Group, Position, Sampler};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use telemetry::probes::postgres::said;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a group waits for somebody who wants a sample before it looks whether it still has an owner.
const LOOK: Duration = Duration::from_secs(1);

/// Its tasks end when nobody else has the group any more.
pub fn start(runtime: &Handle, group: &Arc<Group>, clock: Clock) {
    let all = 0..group.len();
    let shared = Arc::new(Shared {
        clock,
        links: all.clone().map(|_| Mutex::default()).collect(),
        trackers: all.clone().map(|_| Mutex::default()).collect(),
    });
    for place in all {
        runtime.spawn(database::run(Arc::downgrade(group), shared.clone(), place));
    }
    runtime.spawn(sample(Arc::downgrade(group), group.sampler.clone(), shared));
}

/// One question at a time answers all who asked before it.
async fn sample(group: Weak<Group>, sampler: Arc<Sampler>, shared: Arc<Shared>) {
    while group.strong_count() > 0 {
        let Ok(asked) = timeout(LOOK, sampler.asked()).await else {
            continue;
        };
        let Some(group) = group.upgrade() else { return };
        let Some(at) = now(&group, &shared).await else {
            continue;
        };
        group.samples[0].fetch_add(1, Relaxed);
        for who in asked {
            // Who has gone does not listen.
            let _ = who.send(at);
        }
    }
}

/// Where the primary is; `None`: nobody knows.
async fn now(group: &Group, shared: &Shared) -> Option<Position> {
    let primary = group.primary(shared.clock.now())?;
    let link = lock(&shared.links[primary]).clone()?;
    let place = link.questions.place(&link.client);
    let place = within(async { place.await.map_err(said) }).await.ok()??;
    Some(Position {
        // It is a replica now: it answers for nobody.
        timeline: place.timeline?,
        lsn: place.lsn,
    })
}
