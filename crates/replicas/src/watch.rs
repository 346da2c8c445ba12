//! Looks which replications the gateway has, and asks the databases of those that are new.

use crate::group;
use base::clock::Clock;
use gateway::replicas::{Group, Groups};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// A new generation is followed within this.
const LOOK: Duration = Duration::from_millis(100);

/// Goes on until the gateway is gone. Nothing is asked where no service has a `replication`.
pub fn start(runtime: &Handle, (groups, clock): (Arc<Groups>, Clock)) {
    let weak = Arc::downgrade(&groups);
    drop(groups);
    runtime.spawn(run(runtime.clone(), weak, clock));
}

async fn run(runtime: Handle, groups: Weak<Groups>, clock: Clock) {
    let mut known: Vec<Weak<Group>> = Vec::new();
    loop {
        let Some(groups) = groups.upgrade() else {
            return;
        };
        known.retain(|g| g.strong_count() > 0);
        for group in groups.all() {
            let same = |g: &Weak<Group>| std::ptr::eq(g.as_ptr(), Arc::as_ptr(&group));
            if !known.iter().any(same) {
                known.push(Arc::downgrade(&group));
                group::start(&runtime, &group, clock);
            }
        }
        drop(groups);
        tokio::time::sleep(LOOK).await;
    }
}
