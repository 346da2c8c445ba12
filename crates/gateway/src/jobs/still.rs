//! Routes whose jobs stand still: somebody paused them, or their service said that it is gone. Kept beside the jobs, so that a restart and
//! other nodes know.

use super::Jobs;
use crate::runtime::Shared;
use crate::topics::health::PAUSED;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;
use store::{Bounds, Error, Marked, Put};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked what other nodes said.
const EACH: Duration = Duration::from_millis(500);
/// What is kept of a route that goes on.
const GOES_ON: &[u8] = b"-";

/// What could not be kept yet.
pub type Unsaid = BTreeMap<Arc<str>, Still>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Still {
    Paused,
    /// What its service said.
    Gone(String),
}

impl Still {
    fn write(still: Option<&Still>) -> Vec<u8> {
        match still {
            None => GOES_ON.to_vec(),
            Some(Still::Paused) => Vec::new(),
            Some(Still::Gone(why)) => why.clone().into_bytes(),
        }
    }

    fn read(value: &[u8]) -> Option<Still> {
        match value {
            GOES_ON => None,
            b"" => Some(Still::Paused),
            why => Some(Still::Gone(String::from_utf8_lossy(why).into_owned())),
        }
    }
}

/// One at a time: what was looked at before somebody spoke is not held to after it.
fn turn(jobs: &Jobs) -> MutexGuard<'_, Unsaid> {
    jobs.still.lock().unwrap_or_else(|e| e.into_inner())
}

fn key(route: &str) -> String {
    format!("{PAUSED}{route}")
}

fn hold(jobs: &Jobs, route: &Arc<str>, still: Option<Still>) {
    match still {
        None => jobs.hold(route, false, None),
        Some(Still::Paused) => jobs.hold(route, true, None),
        Some(Still::Gone(why)) => jobs.hold(route, false, Some(why)),
    }
}

/// Keeps that jobs of a route stand still, or go on (`None`), and holds to it. Blocks.
///
/// # Errors
/// When it cannot be kept. That a service is gone holds all the same, and is said again once that can be; else nothing has changed.
pub fn set(jobs: &Jobs, route: &Arc<str>, still: Option<Still>, now_ms: u64) -> Result<(), Error> {
    let mut unsaid = turn(jobs);
    if let Some(gone @ Still::Gone(_)) = &still {
        hold(jobs, route, still.clone());
        unsaid.insert(route.clone(), gone.clone());
    }
    say(jobs, route, still.as_ref(), now_ms)?;
    unsaid.remove(route);
    hold(jobs, route, still);
    Ok(())
}

fn say(jobs: &Jobs, route: &str, still: Option<&Still>, now_ms: u64) -> Result<(), Error> {
    let marks = jobs
        .marks()
        .ok_or_else(|| Error::Stopped("the queue of jobs is not open".into()))?;
    let mark = Put::new(key(route), Still::write(still));
    let kept = marks.enqueue_marked(Vec::new(), Bounds::NONE, mark, now_ms);
    kept.wait().map(drop)
}

/// Says what could not be kept before. Blocks.
fn say_again(jobs: &Jobs, now_ms: u64) -> Result<(), Error> {
    let mut unsaid = turn(jobs);
    while let Some((route, still)) = unsaid.first_key_value() {
        say(jobs, route, Some(still), now_ms)?;
        unsaid.pop_first();
    }
    Ok(())
}

/// Holds to what is kept of a route. Blocks.
///
/// # Errors
/// When it cannot be read: what was known holds.
pub fn recall(jobs: &Jobs, marks: &dyn Marked, route: &Arc<str>, now_ms: u64) -> Result<(), Error> {
    let unsaid = turn(jobs);
    if unsaid.contains_key(route) {
        return Ok(());
    }
    let kept = marks.mark(&key(route), now_ms)?;
    hold(
        jobs,
        route,
        kept.and_then(|entry| Still::read(&entry.value)),
    );
    Ok(())
}

/// What other nodes said, until the gateway ends.
pub async fn follow(jobs: Arc<Jobs>, shared: Weak<Shared>) {
    let mut tick = interval(EACH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        // Of a file that nobody else has all is known.
        let all_is_said = || jobs.still.try_lock().is_ok_and(|unsaid| unsaid.is_empty());
        if jobs.shared().is_none() && all_is_said() {
            continue;
        }
        let now_ms = jobs.now_ms(shared.clock.now());
        let snapshot = shared.current.load();
        let takes = snapshot.routes().filter(|r| r.asynchronous.is_some());
        let routes: BTreeSet<Arc<str>> = takes.map(|r| r.name.clone()).collect();
        drop((snapshot, shared));
        let theirs = jobs.clone();
        let look = move || -> Result<BTreeSet<Arc<str>>, Error> {
            say_again(&theirs, now_ms)?;
            let Some(marks) = theirs.shared() else {
                return Ok(routes);
            };
            for route in &routes {
                recall(&theirs, &*marks, route, now_ms)?;
            }
            Ok(routes)
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(routes)) => jobs.set_known(routes),
            Ok(Err(e)) => tracing::debug!("whether jobs stand still cannot be read: {e}"),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Embedded;

    #[test]
    fn what_stands_still_is_known_to_who_opens_the_queue_next() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(dir.path().join("queue.db")).unwrap());
        let route: Arc<str> = "orders".into();
        let shown = |jobs: &Jobs| {
            let lanes = jobs.lanes(|_| super::super::Bound::NOTHING, base::Nanos(1));
            lanes.first().map(|l| (l.reason, l.detail.clone()))
        };
        let jobs = Jobs::default();
        assert!(
            set(&jobs, &route, Some(Still::Paused), 5).is_err(),
            "it has none"
        );
        assert_eq!(shown(&jobs), None);
        jobs.set_queue(Some(store.clone()));
        let gone = Still::Gone("it answered 410".into());
        for (still, said) in [
            (Some(Still::Paused), ("paused", "")),
            (Some(gone.clone()), ("disabled", "it answered 410")),
            (None, ("concurrency", "")),
        ] {
            set(&jobs, &route, still, 5).unwrap();
            let next = Jobs::default();
            recall(&next, &*store, &route, 6).unwrap();
            for jobs in [&jobs, &next] {
                let (reason, detail) = shown(jobs).unwrap();
                assert_eq!((reason, detail.as_str()), said);
            }
        }
        // Without its queue it is not forgotten that the service is gone, and a look does not take it for going on.
        jobs.set_queue(None);
        assert!(set(&jobs, &route, Some(gone), 7).is_err());
        assert_eq!(shown(&jobs).unwrap().0, "disabled");
        jobs.set_queue(Some(store.clone()));
        recall(&jobs, &*store, &route, 8).unwrap();
        assert_eq!(shown(&jobs).unwrap().0, "disabled");
        say_again(&jobs, 9).unwrap();
        let next = Jobs::default();
        recall(&next, &*store, &route, 9).unwrap();
        assert_eq!(shown(&next).unwrap().0, "disabled");
    }
}
