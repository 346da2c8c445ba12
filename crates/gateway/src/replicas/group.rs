//! One replication as all threads share it: what is known of each database, swapped as a whole by whoever asks them.

use super::position::Position;
use super::sampler::Sampler;
use arc_swap::ArcSwap;
use base::Nanos;
use config::sections::Replication;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// One that has not answered for so long is left alone, and not known to be the primary any more.
const AWAY: Duration = Duration::from_secs(1);

/// What is known of one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// At least so far.
    pub at: Position,
    /// It takes writes.
    pub is_primary: bool,
    /// Everything that the primary had then is there.
    pub fresh_at: Option<Nanos>,
    /// When it was asked what it has answered last; `None`: it does not answer.
    pub asked: Option<Nanos>,
    /// Why not, or what else is wrong.
    pub wrong: Option<String>,
}

impl Known {
    fn answers(&self, now: Nanos) -> bool {
        self.asked.is_some_and(|at| now.since(at) <= AWAY)
    }

    /// Whether it may be read from as a replica.
    pub fn is_replica(&self, now: Nanos) -> bool {
        !self.is_primary && self.answers(now)
    }

    /// How old what it shows may be.
    pub fn lag(&self, now: Nanos) -> Option<Duration> {
        match self.is_primary {
            true => Some(Duration::ZERO),
            false => self.fresh_at.map(|at| now.since(at)),
        }
    }
}

pub struct Group {
    pub rules: Replication,
    all: Box<[ArcSwap<Known>]>,
    /// Goes up when one of them has moved.
    moved: watch::Sender<u64>,
    /// The youngest timeline that was ever seen: who is older is no primary, whatever it says.
    youngest: AtomicU32,
    last_primary: AtomicUsize,
    pub sampler: Arc<Sampler>,
    /// Samples that were taken, and questions for one that failed.
    pub samples: [AtomicUsize; 2],
}

impl Group {
    pub fn new(rules: &Replication) -> Group {
        let unknown = || {
            ArcSwap::from_pointee(Known {
                wrong: Some("it has not been asked yet".into()),
                ..Known::default()
            })
        };
        Group {
            all: rules.databases.iter().map(|_| unknown()).collect(),
            rules: rules.clone(),
            moved: watch::Sender::new(0),
            youngest: AtomicU32::new(0),
            last_primary: AtomicUsize::new(0),
            sampler: Arc::default(),
            samples: Default::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn known(&self, database: usize) -> Arc<Known> {
        self.all[database].load_full()
    }

    /// What was learned of one.
    pub fn tell(&self, database: usize, known: Known) {
        let moved = {
            let before = self.all[database].load();
            (before.at, before.is_primary) != (known.at, known.is_primary)
        };
        if known.is_primary {
            self.youngest.fetch_max(known.at.timeline, Relaxed);
        }
        self.all[database].store(Arc::new(known));
        if moved {
            self.moved.send_modify(|n| *n += 1);
        }
    }

    /// Who takes writes now, as far as is known.
    pub fn primary(&self, now: Nanos) -> Option<usize> {
        let youngest = self.youngest.load(Relaxed);
        let found = self.all.iter().position(|k| {
            let k = k.load();
            k.is_primary && k.at.timeline >= youngest && k.answers(now)
        });
        if let Some(found) = found {
            self.last_primary.store(found, Relaxed);
        }
        found
    }

    /// The same, or who did last.
    pub fn last_primary(&self, now: Nanos) -> usize {
        let now = self.primary(now);
        now.unwrap_or_else(|| self.last_primary.load(Relaxed))
    }

    /// Until one of these databases (bits) covers `at`.
    pub async fn reached(self: Arc<Self>, at: Position, of: u32) {
        let mut moved = self.moved.subscribe();
        loop {
            moved.mark_unchanged();
            let covers = |i: &usize| self.all[*i].load().at.covers(at);
            if (0..self.all.len())
                .filter(|i| of >> i & 1 == 1)
                .any(|i| covers(&i))
            {
                return;
            }
            if moved.changed().await.is_err() {
                return;
            }
        }
    }
}

/// All replications, by name; they survive new generations as long as their configuration does.
#[derive(Default)]
pub struct Groups(Mutex<BTreeMap<String, Arc<Group>>>);

impl Groups {
    pub fn of(&self, rules: &Replication) -> Arc<Group> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        match all.get(&rules.name) {
            Some(group) if group.rules == *rules => group.clone(),
            _ => {
                let group = Arc::new(Group::new(rules));
                all.insert(rules.name.clone(), group.clone());
                group
            }
        }
    }

    /// Those that are used.
    pub fn all(&self) -> Vec<Arc<Group>> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.retain(|_, group| Arc::strong_count(group) > 1);
        all.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::Database;

    fn group() -> Group {
        let mut rules = Replication::named("r");
        rules.databases = ["primary", "r1"].map(Database::named).into();
        Group::new(&rules)
    }

    fn known(timeline: u32, is_primary: bool, at_s: f64) -> Known {
        Known {
            at: Position { timeline, lsn: 5 },
            is_primary,
            asked: Some(Nanos::from_secs_f64(at_s)),
            ..Known::default()
        }
    }

    #[test]
    fn who_was_the_primary_is_not_when_another_was_promoted() {
        let (g, now) = (group(), Nanos::from_secs_f64(10.0));
        assert_eq!((g.primary(now), g.last_primary(now)), (None, 0));
        g.tell(0, known(1, true, 10.0));
        g.tell(1, known(1, false, 10.0));
        assert_eq!(g.primary(now), Some(0));
        g.tell(1, known(2, true, 10.0));
        assert_eq!(g.primary(now), Some(1), "both say that they are");
        g.tell(
            1,
            Known {
                asked: None,
                ..known(2, true, 10.0)
            },
        );
        assert_eq!(g.primary(now), None, "the old one is not asked for again");
        assert_eq!(g.last_primary(now), 1);
        let late = Nanos::from_secs_f64(12.0);
        g.tell(1, known(2, true, 10.0));
        assert_eq!(g.primary(late), None, "it has not answered for two seconds");
    }
}
