//! Lets old events go.

use crate::place::{Leads, Place, now_ms};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked at, and how many events go at once.
const LOOK: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 1000;

/// Runs until it is dropped. `keep` says how long events stay now; `None`: for ever. Of several nodes one lets them go for all.
pub async fn retain(place: Arc<Place>, leads: Leads, keep: impl Fn() -> Option<Duration>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(keep) = keep().filter(|_| leads().is_ok()) else {
            continue;
        };
        let before = now_ms().saturating_sub(keep.as_millis() as u64);
        loop {
            let Ok(store) = place.store() else { break };
            let ack = store.trim(before, AT_ONCE);
            drop(store);
            match ack.await {
                Ok(n) if n as usize == AT_ONCE => {}
                Ok(_) => break,
                Err(e) => {
                    tracing::error!("old events cannot be let go: {e}");
                    break;
                }
            }
        }
    }
}
