//! Work that is looked at again and again beside the path, until the gateway ends.

use crate::runtime::Shared;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// One look per period; late ones are not made up for.
pub(crate) struct Looks {
    tick: Interval,
    shared: Weak<Shared>,
}

impl Looks {
    /// Call within the runtime.
    pub fn every(period: Duration, shared: Weak<Shared>) -> Looks {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Looks { tick, shared }
    }

    /// When it is time to look; `None`: the gateway has ended.
    pub async fn next(&mut self) -> Option<Arc<Shared>> {
        self.tick.tick().await;
        self.shared.upgrade()
    }
}
