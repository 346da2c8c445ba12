//! The thread that tells other nodes what was changed here, and hears what was changed there.

use super::Second;
use super::change::Change;
use super::order::Todo;
use crate::request::cache::Marks;
use base::Nanos;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;
use store::second::HEARD;

/// Between two looks, when there is nothing to tell.
const LOOK: Duration = Duration::from_millis(200);
/// Changes that are told together.
const TOGETHER: usize = 128;

/// It ends when nobody has the second level any more.
pub fn start(second: &Arc<Second>) -> io::Result<()> {
    let second = Arc::downgrade(second);
    let run = move || run(&second);
    Builder::new().name("cache-news".into()).spawn(run)?;
    Ok(())
}

fn run(second: &Weak<Second>) {
    while let Some(second) = second.upgrade() {
        let heard = second.tell().and_then(|()| second.hear());
        if let Err(why) = &heard {
            tracing::debug!(why, "no news of shared caches");
        }
        second.rest(heard.is_ok());
    }
}

impl Second {
    /// Until there is something to tell, or it is time to look again.
    fn rest(&self, works: bool) {
        let order = self.order();
        // An engine that fails is not asked faster because there is more to say.
        let wait = |o: &mut super::Order| !works || o.waiting() == 0;
        let waited = self.wake.wait_timeout_while(order, LOOK, wait);
        drop(waited.unwrap_or_else(|e| e.into_inner()));
    }

    fn tell(&self) -> Result<(), String> {
        let engine = self.engine.get().ok_or("there is no engine")?;
        loop {
            let untold = self.order().untold(TOGETHER);
            if untold.is_empty() {
                return Ok(());
            }
            let asked = untold.into_iter().map(|(id, change, body)| {
                let told = engine.tell(change.about(), body);
                (id, told)
            });
            for (id, told) in asked.collect::<Vec<_>>() {
                told.wait().map_err(|e| e.to_string())?;
                self.order().told(id);
            }
        }
    }

    fn hear(&self) -> Result<(), String> {
        let engine = self.engine.get().ok_or("there is no engine")?;
        loop {
            let from = self.order().position().cloned();
            let heard = engine
                .hear(from.as_ref())
                .wait()
                .map_err(|e| e.to_string())?;
            let more = !heard.is_gap && heard.changes.len() >= HEARD;
            let now = self.moment().now;
            let todo = self.order().heard(heard, now);
            self.apply(todo);
            if !more {
                // What it took to apply it counts as time without news.
                self.heard_at.store(now.0.max(1), Relaxed);
                return Ok(());
            }
        }
    }

    fn apply(&self, todo: Todo) {
        let purge = |purge: &_, now: Nanos| {
            let stores = self.levels();
            let stores = stores.iter().filter_map(|l| l.store.upgrade());
            stores.for_each(|s| _ = s.purge(purge, now));
        };
        let now = self.moment().now;
        if let Some(missed) = &todo.missed {
            tracing::info!(
                "changes of shared caches may have been missed: what is stored counts as stale"
            );
            purge(missed, now);
        }
        for change in &todo.changes {
            match change {
                Change::Path { host, path } => {
                    self.marks.changed(host, path, now);
                    self.disks.changed(host, path);
                }
                Change::Group { host, group } => {
                    self.marks.changed(host, &Marks::group(group), now);
                    self.disks.group_changed(host, group);
                }
                Change::Purge(what) => purge(what, now),
            }
        }
    }
}
