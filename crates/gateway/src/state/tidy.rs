//! Removes what has expired, and counts what is there; beside the path.

use super::State;
use crate::runtime::Shared;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Error, in_parts};

/// How often, and how much at once.
const LOOK: Duration = Duration::from_secs(10);
const SWEPT: usize = 512;
/// Most sweeps in one look: 10 000 values a second expire at most.
const SWEEPS: usize = 200;

/// Goes on until the gateway ends.
pub fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    control.spawn(run(shared.state.clone(), Arc::downgrade(shared)));
}

async fn run(state: Arc<State>, shared: Weak<Shared>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.draining.load(Relaxed) {
            return;
        }
        let now_ms = state.now_ms(shared.clock.now());
        drop(shared);
        if let Err(e) = tidy(&state, now_ms).await {
            tracing::error!("what has expired cannot be removed: {e}");
        }
    }
}

async fn tidy(state: &Arc<State>, now_ms: u64) -> Result<(), Error> {
    if let Some(lent) = state.lent() {
        in_parts(SWEPT, SWEEPS, |most| lent.relaxed.sweep(most, now_ms)).await?;
        let state = state.clone();
        let counted = tokio::task::spawn_blocking(move || state.recount(now_ms)).await;
        counted.unwrap_or(Ok(()))?;
    }
    if let Some(kv) = state.shared() {
        in_parts(SWEPT, SWEEPS, |most| kv.sweep(most, now_ms)).await?;
    }
    Ok(())
}
