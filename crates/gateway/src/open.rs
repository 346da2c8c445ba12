//! The requests that one thread has open, with their starts. Beginning and ending one is a push and a pop;
//! who has been open for long is counted once a second.

use base::{Nanos, RouteIx};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bounded by the thread's connections: each has at most one request open.
#[derive(Default)]
pub struct Open {
    places: RefCell<Places>,
}

#[derive(Default)]
struct Places {
    all: Vec<Option<(RouteIx, Nanos)>>,
    free: Vec<usize>,
}

/// Where an open request is noted. Given back to `end`.
#[derive(Debug, PartialEq, Eq)]
pub struct Place(usize);

impl Open {
    pub fn begin(&self, route: RouteIx, start: Nanos) -> Place {
        let mut places = self.places.borrow_mut();
        let at = places.free.pop().unwrap_or_else(|| {
            places.all.push(None);
            places.all.len() - 1
        });
        places.all[at] = Some((route, start));
        Place(at)
    }

    pub fn end(&self, place: Place) {
        let mut places = self.places.borrow_mut();
        places.all[place.0] = None;
        places.free.push(place.0);
    }

    /// By route, how many have been open for longer than `age`.
    pub fn older_than(&self, age: Duration, now: Nanos) -> Vec<(RouteIx, u32)> {
        let mut counts = BTreeMap::new();
        for (route, start) in self.places.borrow().all.iter().flatten() {
            if now.since(*start) > age {
                *counts.entry(*route).or_default() += 1;
            }
        }
        counts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_still_open_and_old_enough_are_counted_and_places_are_used_again() {
        let open = Open::default();
        let at = |s: u64| Nanos(s * 1_000_000_000);
        let [first, second, third] =
            [(0, 0), (1, 3), (1, 9)].map(|(r, s)| open.begin(RouteIx(r), at(s)));
        let old = |now| open.older_than(Duration::from_secs(10), at(now));
        assert_eq!(old(10), [], "not yet longer");
        assert_eq!(old(14), [(RouteIx(0), 1), (RouteIx(1), 1)]);
        open.end(first);
        assert_eq!(old(30), [(RouteIx(1), 2)]);
        open.end(third);
        open.end(second);
        assert_eq!(old(30), []);
        for s in 0..100 {
            let place = open.begin(RouteIx(2), at(s));
            open.end(place);
        }
        assert_eq!(open.places.borrow().all.len(), 3);
    }
}
