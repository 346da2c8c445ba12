//! The background: twice a turn it takes leases for the keys that need some, and gives back what is left of old ones.

use super::Shared;
use super::core::LOOK;
use super::keys::Task;
use crate::runtime;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Ack, Take, Taken};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout, timeout_at};

/// Longest wait for the answers of one look.
const ANSWERS: Duration = Duration::from_millis(250);
/// How soon it is seen that the gateway has ended.
const QUIET: Duration = Duration::from_secs(1);

pub fn start(control: &Handle, shared: &Arc<runtime::Shared>) {
    control.spawn(run(Arc::downgrade(shared)));
}

async fn run(gateway: Weak<runtime::Shared>) {
    loop {
        let Some(shared) = gateway.upgrade() else {
            return;
        };
        let (rates, clock) = (shared.rates.clone(), shared.clock);
        drop(shared);
        if rates.keys.is_empty() {
            // Over: it is looked for the gateway again.
            let _ = timeout(QUIET, rates.news.notified()).await;
        } else {
            sleep(LOOK).await;
            turn(&rates, clock).await;
        }
    }
}

async fn turn(rates: &Shared, clock: base::clock::Clock) {
    let asked = clock.now();
    let tasks = rates.keys.look(asked);
    let Some(engine) = rates.engine(asked) else {
        for task in tasks {
            rates.keys.with(task.key, |k| k.unanswered());
        }
        return;
    };
    let unix_us = rates.unix_us(asked);
    let begin = |task: Task| -> Option<(Task, Ack<Taken>)> {
        if task.plan.back > 0 {
            // Nobody waits for it: when it is lost, there is less for all for a moment.
            drop(engine.give(&task.name, task.rule.quota, task.plan.back, unix_us));
        }
        let take = Take {
            key: task.name.to_string(),
            group: task.rule.group.name().to_owned(),
            quota: task.rule.quota,
            want: task.plan.want,
            least: task.plan.least,
        };
        (task.plan.want > 0).then(|| (task, engine.take(take, unix_us)))
    };
    let under_way: Vec<_> = tasks.into_iter().filter_map(begin).collect();
    let until = tokio::time::Instant::now() + ANSWERS;
    for (task, ack) in under_way {
        let said = timeout_at(until, ack).await;
        let now = clock.now();
        match said {
            Ok(Ok(taken)) => {
                rates.doubt(false, now);
                task.rule.group.learn(&taken, rates.unix_us(now));
                rates
                    .keys
                    .with(task.key, |k| k.answered(&task.plan, &taken, asked, now));
            }
            _ => {
                rates.doubt(true, now);
                rates.keys.with(task.key, |k| k.unanswered());
            }
        }
    }
}
