//! Requests that instances were asked, by route and by who asked: the names that come most often, in bounded memory, each with a
//! count that is never too high. What is shown of it is a share of costs.
//!
//! Space-saving (Metwally, Agrawal, El Abbadi 2005): a name that has no counter takes over the smallest one and remembers that as its
//! possible error. What is told is the count less the error.

use base::RouteIx;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Counters of one shard.
const COUNTERS: usize = 256;
/// Threads keep to a shard of their own, as long as there are no more of them.
const SHARDS: usize = 16;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Tenant,
    User,
}

/// Requests of one name on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub who: Who,
    pub route: RouteIx,
    pub name: Box<str>,
    pub count: u64,
    /// Requests of everybody on that route, those of nobody known included.
    pub of: u64,
}

type Key = (Who, RouteIx, Box<str>);

#[derive(Default)]
struct Sketch {
    totals: HashMap<(Who, RouteIx), u64>,
    places: HashMap<Key, usize>,
    /// Count, possible error, and whose it is.
    counters: Vec<(u64, u64, Key)>,
}

impl Sketch {
    fn count(&mut self, who: Who, route: RouteIx, name: Option<Box<str>>) {
        *self.totals.entry((who, route)).or_default() += 1;
        let Some(name) = name else { return };
        let key = (who, route, name);
        if let Some(&place) = self.places.get(&key) {
            self.counters[place].0 += 1;
            return;
        }
        let (place, least) = match self.counters.len() {
            n if n < COUNTERS => (n, 0),
            _ => {
                let all = self.counters.iter().enumerate();
                let smallest = all.min_by_key(|(_, c)| c.0);
                smallest.map_or((0, 0), |(i, c)| (i, c.0))
            }
        };
        let counter = (least + 1, least, key.clone());
        match self.counters.get_mut(place) {
            Some(old) => {
                self.places.remove(&old.2);
                *old = counter;
            }
            None => self.counters.push(counter),
        }
        self.places.insert(key, place);
    }
}

#[derive(Default)]
pub struct Charges {
    shards: [Mutex<Sketch>; SHARDS],
}

thread_local! {
    /// The shard of this thread.
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn shard() -> usize {
    SHARD.with(|s| {
        let mine = s
            .get()
            .unwrap_or_else(|| NEXT.fetch_add(1, Relaxed) % SHARDS);
        s.set(Some(mine));
        mine
    })
}

impl Charges {
    /// `None`: nobody known.
    pub fn count(&self, who: Who, route: RouteIx, name: Option<Box<str>>) {
        let mut sketch = self.shards[shard()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sketch.count(who, route, name);
    }

    /// What was counted since the last time.
    pub fn take(&self) -> Vec<Charge> {
        let mut all: HashMap<Key, u64> = HashMap::new();
        let mut totals: HashMap<(Who, RouteIx), u64> = HashMap::new();
        for shard in &self.shards {
            let sketch = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for (of, count) in sketch.totals {
                *totals.entry(of).or_default() += count;
            }
            for (count, error, key) in sketch.counters {
                *all.entry(key).or_default() += count - error;
            }
        }
        let told = all.into_iter().map(|((who, route, name), count)| Charge {
            who,
            route,
            of: totals.get(&(who, route)).copied().unwrap_or(count),
            name,
            count,
        });
        told.collect()
    }
}

/// As it is shown, cut where it is long.
pub fn name(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_NAME)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_are_found_among_very_many_and_none_is_overcharged() {
        let charges = Charges::default();
        let mut truth: HashMap<String, u64> = HashMap::new();
        let mut ask = |name: String| {
            *truth.entry(name.clone()).or_default() += 1;
            charges.count(Who::Tenant, RouteIx(1), Some(name.into()));
        };
        for i in 0..100_000u64 {
            match i % 10 {
                0..3 => ask("acme".into()),
                3 => ask("small".into()),
                _ => ask(format!("once-{i}")),
            }
        }
        charges.count(Who::Tenant, RouteIx(1), None);
        let told = charges.take();
        assert!(told.iter().all(|c| c.of == 100_001));
        assert!(told.len() <= COUNTERS);
        for c in &told {
            assert!(c.count <= truth[&*c.name], "{c:?}");
        }
        let of = |name: &str| {
            told.iter()
                .find(|c| &*c.name == name)
                .map_or(0, |c| c.count)
        };
        assert_eq!(
            (of("acme"), of("small")),
            (30_000, 10_000),
            "they were never pushed out"
        );
        assert_eq!(charges.take(), []);
    }

    #[test]
    fn names_are_short_and_text() {
        assert_eq!(name(&[b'a'; 500]).len(), MAX_NAME);
        assert_eq!(&*name(b"ann\xff"), "ann\u{fffd}");
    }
}
