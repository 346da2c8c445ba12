//! Who of several nodes acts: each loop that acts has a lease, and a thread here keeps asking for them.
//!
//! A node leads until its lease would expire on its own clock, counted from before it asked: never longer than the others
//! wait for it. While the engine is away nobody can take over, and nobody leads beyond that.

use crate::exit::Failure;
use crate::wire::thread::Thread;
use control::loops::LED;
use control::ports::{Lead, SystemWall, Wall};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use store::{Error, Lease};

/// How long a lease is good for without being prolonged.
const TTL: Duration = Duration::from_secs(5);
/// Between two questions.
const ASK: Duration = Duration::from_secs(1);

/// Who relays outboxes and pushes to projections, where the streams or jobs that they are about are those of all nodes.
pub const STREAMS: &str = "streams";

/// How it stands with one loop.
#[derive(Clone, Debug)]
struct Seat {
    /// Ours until then.
    until: Option<Instant>,
    token: u64,
    /// Who has it instead, or why that is not known.
    other: String,
}

/// What is known of all of them.
#[derive(Debug)]
pub struct Leading {
    owner: String,
    /// What is led.
    loops: Vec<&'static str>,
    seats: Mutex<BTreeMap<&'static str, Seat>>,
}

impl Leading {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<&'static str, Seat>> {
        self.seats.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn shown(&self) -> Value {
        let shown = |name: &&'static str| match self.leads(name) {
            Ok(()) => (name.to_string(), Value::from("here")),
            Err(other) => (name.to_string(), Value::from(other)),
        };
        Value::Object(self.loops.iter().map(shown).collect())
    }
}

impl Lead for Leading {
    fn leads(&self, name: &str) -> Result<(), String> {
        match self.seats().get(name) {
            Some(seat) if seat.until.is_some_and(|until| Instant::now() < until) => Ok(()),
            Some(seat) => Err(seat.other.clone()),
            None => Err("nobody yet".into()),
        }
    }
}

struct Work {
    lease: Arc<dyn Lease>,
    leading: Arc<Leading>,
}

/// Gives the leases up when dropped.
pub struct Leader {
    pub leading: Arc<Leading>,
    _thread: Thread,
}

impl Leader {
    pub fn start(lease: Arc<dyn Lease>, relays: bool) -> Result<Leader, Failure> {
        let streams = relays.then_some(STREAMS);
        let leading = Arc::new(Leading {
            owner: owner(),
            loops: LED.into_iter().chain(streams).collect(),
            seats: Mutex::default(),
        });
        let mut work = Work {
            lease,
            leading: leading.clone(),
        };
        turn(&mut work);
        let stop = Arc::<AtomicBool>::default();
        let thread = Thread::start("lead", stop, work, || ASK, turn, close)?;
        Ok(Leader {
            leading,
            _thread: thread,
        })
    }
}

fn place(name: &str) -> String {
    format!("loop/{name}")
}

fn turn(work: &mut Work) {
    let owner = &work.leading.owner;
    for &name in &work.leading.loops {
        let asked = Instant::now();
        let held = work
            .lease
            .acquire(&place(name), owner, TTL, SystemWall.now_ms());
        let mut seats = work.leading.seats();
        let before = seats.get(name).cloned();
        let seat = match held {
            Ok(h) if h.owner == *owner => Seat {
                until: Some(asked + TTL),
                token: h.token,
                other: "nobody: this node had it last".into(),
            },
            Ok(h) => Seat {
                until: None,
                token: h.token,
                other: h.owner,
            },
            Err(e) => Seat {
                // Until it expires.
                until: before.as_ref().and_then(|b| b.until),
                token: before.as_ref().map_or(0, |b| b.token),
                other: unknown(&e),
            },
        };
        let (was, is) = (
            before.is_some_and(|b| b.until.is_some()),
            seat.until.is_some(),
        );
        if was != is {
            match is {
                true => tracing::info!(name, token = seat.token, "this node leads"),
                false => tracing::info!(name, leader = seat.other, "another node leads"),
            }
        }
        seats.insert(name, seat);
    }
}

/// The engine says itself what is wrong with it.
fn unknown(e: &Error) -> String {
    match e {
        Error::Away { .. } => "not known while the engine is away".into(),
        e => format!("not known: {e}"),
    }
}

fn close(work: &mut Work) {
    let seats = work.leading.seats().clone();
    for (name, seat) in seats.iter().filter(|(_, s)| s.until.is_some()) {
        // Away: it expires.
        let _ = work.lease.release(
            &place(name),
            &work.leading.owner,
            seat.token,
            SystemWall.now_ms(),
        );
    }
    work.leading.seats().clear();
}

/// Host and process: nodes in containers have the same process id, and a host may run two.
pub fn owner() -> String {
    let host = rustix::system::uname();
    format!(
        "{}-{}",
        host.nodename().to_string_lossy(),
        std::process::id()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Embedded;

    #[test]
    fn one_of_two_leads_and_the_other_takes_over_when_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Lease> = Arc::new(Embedded::open(dir.path().join("l.db")).unwrap());
        let first = Leader::start(store.clone(), true).unwrap();
        assert_eq!(first.leading.leads("trial"), Ok(()));
        let leading = Arc::new(Leading {
            owner: "other".into(),
            loops: LED.to_vec(),
            seats: Mutex::default(),
        });
        let mut other = Work {
            lease: store,
            leading: leading.clone(),
        };
        turn(&mut other);
        assert_eq!(leading.leads("trial"), Err(first.leading.owner.clone()));
        assert_eq!(leading.shown()["driver"], first.leading.owner.as_str());
        drop(first);
        turn(&mut other);
        assert_eq!(leading.leads("trial"), Ok(()));
        assert_eq!(leading.shown()["driver"], "here");
    }
}
