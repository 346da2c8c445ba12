//! This node's shares of the limits that all nodes have together, kept over a restart: one that is started while the engine
//! is away goes on with them, and does not take the whole limit for itself.

use crate::exit::Failure;
use crate::wire::thread::Thread;
use control::ports::{SystemWall, Wall};
use gateway::Gateway;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Embedded, Kv, Put};

/// Where they are in the ledger's file, as JSON: share by name of the limit.
const KEY: &str = "engines/shares";
/// Between two looks, and how many of them pass between two writes.
const LOOK: Duration = Duration::from_secs(1);
const SELDOM: u32 = 10;
/// What has moved less is not written.
const MOVED: f64 = 0.01;

type Shares = BTreeMap<String, f64>;

struct Work {
    store: Arc<Embedded>,
    gateway: Arc<Mutex<Option<Gateway>>>,
    /// As they were last seen, and last written.
    seen: Shares,
    written: Shares,
    looks: u32,
}

/// Writes once more when dropped.
pub struct Keeper {
    _thread: Thread,
}

impl Keeper {
    /// Lends the gateway what was kept, and keeps on. Before traffic begins.
    pub fn start(
        store: Arc<Embedded>,
        gateway: Arc<Mutex<Option<Gateway>>>,
    ) -> Result<Keeper, Failure> {
        let written = read(&store);
        if let Some(gateway) = &*gateway.lock().unwrap_or_else(|e| e.into_inner()) {
            gateway.remember_shares(written.clone());
        }
        let work = Work {
            store,
            gateway,
            seen: Shares::new(),
            written,
            looks: 0,
        };
        let stop = Arc::<AtomicBool>::default();
        let thread = Thread::start("shares", stop, work, || LOOK, turn, write)?;
        Ok(Keeper { _thread: thread })
    }
}

/// What cannot be read is as good as nothing.
fn read(store: &Embedded) -> Shares {
    match store.get(KEY, SystemWall.now_ms()) {
        Ok(Some(entry)) => serde_json::from_slice(&entry.value).unwrap_or_default(),
        Ok(None) => Shares::new(),
        Err(e) => {
            tracing::warn!("shares of limits cannot be read: {e}");
            Shares::new()
        }
    }
}

fn turn(work: &mut Work) {
    let seen = {
        let gateway = work.gateway.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map(Gateway::shares)
    };
    // Gone at the end: what was seen last counts.
    if let Some(seen) = seen {
        work.seen = seen;
    }
    work.looks += 1;
    if work.looks >= SELDOM {
        write(work);
    }
}

fn write(work: &mut Work) {
    work.looks = 0;
    if !have_moved(&work.written, &work.seen) {
        return;
    }
    let Ok(value) = serde_json::to_vec(&work.seen) else {
        return;
    };
    match work
        .store
        .put(Put::new(KEY, value), SystemWall.now_ms())
        .wait()
    {
        Ok(_) => work.written = work.seen.clone(),
        Err(e) => tracing::warn!("shares of limits are not written: {e}"),
    }
}

/// Nothing known takes nothing back.
fn have_moved(before: &Shares, now: &Shares) -> bool {
    let moved = |(name, share): (&String, &f64)| {
        let was = before.get(name);
        was.is_none_or(|was| (was - share).abs() > MOVED)
    };
    now.iter().any(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_when_they_have_moved_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(dir.path().join("control.db")).unwrap());
        assert_eq!(read(&store), Shares::new());
        let of = |share: f64| Shares::from([("buy".to_owned(), share)]);
        let mut work = Work {
            store: store.clone(),
            gateway: Arc::default(),
            seen: of(0.5),
            written: Shares::new(),
            looks: 0,
        };
        write(&mut work);
        assert_eq!(read(&store), of(0.5));
        work.seen = of(0.505);
        write(&mut work);
        assert_eq!(read(&store), of(0.5), "not worth a write");
        work.seen = Shares::new();
        write(&mut work);
        assert_eq!(read(&store), of(0.5));
        work.seen = of(0.25);
        (0..SELDOM).for_each(|_| turn(&mut work));
        assert_eq!(read(&store), of(0.25));
        let junk = Put::new(KEY, b"{".to_vec());
        store.put(junk, SystemWall.now_ms()).wait().unwrap();
        assert_eq!(read(&store), Shares::new());
    }
}
