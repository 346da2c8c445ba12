//! What ended long ago is forgotten, as fast as jobs end.

use super::Jobs;
use super::deliver::keep;
use crate::runtime::Shared;
use crate::topics;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Error, Queue, in_parts};
use tokio::time::interval;

/// How often, how many in one commit, and in how many: faster than jobs end, and not for so long that whoever wants the store
/// back waits for it.
const EACH: Duration = Duration::from_secs(10);
pub const AT_ONCE: usize = 512;
pub const TURNS: usize = 400;
/// How long events stay of a topic that only other nodes know.
const UNKNOWN: Duration = Duration::from_secs(24 * 3600);
/// How long dead jobs stay, milliseconds.
const DEAD_MS: u64 = 14 * 24 * 3600 * 1000;

/// Until the gateway ends.
pub async fn forget(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    let mut tick = interval(EACH);
    loop {
        tick.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let now_ms = jobs.now_ms(shared.clock.now());
        let topics = shared.generation().base.topics.clone();
        let unknown = match jobs.shares_topics() {
            true => UNKNOWN,
            false => Duration::ZERO,
        };
        if let Some(broker) = jobs.broker()
            && let Err(e) = topics::forget(&broker, &topics, unknown, now_ms).await
        {
            tracing::error!("events of long ago cannot be forgotten: {e}");
        }
        for queue in jobs.queues() {
            if let Err(e) = ended(&queue, now_ms, keep(&shared)).await {
                tracing::error!("what ended long ago cannot be forgotten: {e}");
            }
        }
    }
}

/// Forgets the jobs that ended longer than `keep` ago.
async fn ended(queue: &Arc<dyn Queue>, now_ms: u64, keep: Duration) -> Result<(), Error> {
    let ended_ms = now_ms.saturating_sub(keep.as_millis() as u64);
    let dead_ms = now_ms.saturating_sub(DEAD_MS);
    in_parts(AT_ONCE, TURNS, |most| queue.forget(ended_ms, dead_ms, most)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Bounds, Embedded, Finish, NewJob};

    const ALL: usize = 1300;

    fn job(i: usize) -> NewJob {
        NewJob {
            secret: i as u128,
            lane: "reports".into(),
            tenant: String::new(),
            weight: 1,
            key: None,
            blocks: false,
            enqueued_ms: 1,
            due_ms: 1,
            expires_ms: 1 << 40,
            title: "POST /reports".into(),
            head: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Jobs may end faster than a fixed number in each turn.
    #[test]
    fn all_that_ended_long_ago_is_forgotten_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let queue: Arc<dyn Queue> = Arc::new(Embedded::open(dir.path().join("state.db")).unwrap());
        let mut ids = Vec::new();
        for part in (0..ALL).collect::<Vec<_>>().chunks(500) {
            let jobs = part.iter().map(|i| job(*i)).collect();
            ids.extend(queue.enqueue(jobs, Bounds::NONE).wait().unwrap());
        }
        for (i, id) in ids.iter().enumerate().skip(1) {
            let now_ms = if i == ALL - 1 { 5_000 } else { 1_000 };
            let leased = queue.lease("reports", 1, 60_000, now_ms).wait().unwrap();
            let done = Finish::Done { result: Vec::new() };
            let finished = queue.finish(leased[0].id, 1, done, now_ms);
            assert!(finished.wait().unwrap(), "{id}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let keep = Duration::from_millis(2_000);
        runtime.block_on(ended(&queue, 5_500, keep)).unwrap();
        let left = ids.iter().filter(|id| queue.job(**id).unwrap().is_some());
        assert_eq!(
            left.count(),
            2,
            "the one that waits, and the one that has just ended"
        );
    }
}
