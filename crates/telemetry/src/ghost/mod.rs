//! What a cache would have answered, had it been on: one simulated cache per route, many lifetimes at once. Pure.
//!
//! Per key one fill time per lifetime: a look-up hits when the entry is younger than the lifetime, and refills it
//! when not. Exact up to [`KEYS_PER_ROUTE`] keys; above that only keys whose hash lies under a threshold are
//! followed (spatial sampling, as SHARDS does: Waldspurger et al., FAST 2015) and counts are scaled up.

mod cache;

use base::window::{GHOST_TTLS, GhostCell};
use base::{Outcome, RouteIx, Sample};
pub use cache::{Cache, Look};
use std::collections::HashMap;

/// Keys followed exactly per route.
pub const KEYS_PER_ROUTE: usize = 65_536;
/// Keys followed in all (about 60 bytes each); beyond it the largest route is sampled.
pub const KEYS_IN_ALL: usize = 524_288;
/// Routes with a ghost cache.
const ROUTES: usize = 256;
const TTLS: usize = GHOST_TTLS.len();

/// Look-ups of one route in one window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    lookups: u32,
    hits: [f64; TTLS],
    /// Hits that sampling owes: look-ups seen less look-ups estimated from the sample (the SHARDS-adj correction).
    owed: f64,
}

impl Tally {
    pub fn add(&mut self, look: Look) {
        self.lookups += 1;
        self.owed += 1.0 - look.weight;
        for (i, h) in self.hits.iter_mut().enumerate() {
            if look.hits & (1 << i) != 0 {
                *h += look.weight;
            }
        }
    }
}

struct Route {
    route: RouteIx,
    cache: Cache,
    /// What rounding and clipping left over; goes into the next window.
    left: [f64; TTLS],
}

/// The ghost caches of all routes.
#[derive(Default)]
pub struct Ghosts {
    index: HashMap<RouteIx, u32, foldhash::fast::FixedState>,
    routes: Vec<Route>,
    keys: usize,
}

impl Ghosts {
    /// What this request would have found; `None` when it says nothing about a cache.
    pub fn look(&mut self, s: &Sample) -> Option<(u32, Look)> {
        if s.route.is_none() || matches!(s.outcome, Outcome::Refused | Outcome::Stream) {
            return None;
        }
        let ix = match self.index.get(&s.route) {
            Some(&ix) => ix,
            None if self.routes.len() >= ROUTES => return None,
            None => {
                let ix = self.routes.len() as u32;
                self.index.insert(s.route, ix);
                self.routes.push(Route {
                    route: s.route,
                    cache: Cache::new(KEYS_PER_ROUTE),
                    left: [0.0; TTLS],
                });
                ix
            }
        };
        // Only answers that may be stored fill the cache.
        let fills = matches!(
            s.status,
            200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 410
        ) && s.outcome == Outcome::Done;
        let cache = &mut self.routes[ix as usize].cache;
        let before = cache.len();
        let look = cache.look(s.key_hash, s.start, fills.then_some((s.end, s.bytes_out)));
        self.keys = (self.keys + cache.len()).saturating_sub(before);
        if self.keys > KEYS_IN_ALL {
            self.shrink();
        }
        Some((ix, look))
    }

    fn shrink(&mut self) {
        if let Some(r) = self.routes.iter_mut().max_by_key(|r| r.cache.len()) {
            let before = r.cache.len();
            r.cache.halve();
            self.keys -= before - r.cache.len();
        }
    }

    /// The window's numbers of one route.
    pub fn cell(&mut self, ix: u32, t: Tally) -> GhostCell {
        let r = &mut self.routes[ix as usize];
        let most = f64::from(t.lookups);
        let mut hits = [0u32; TTLS];
        for ((left, shown), seen) in r.left.iter_mut().zip(&mut hits).zip(t.hits) {
            let total = *left + seen + t.owed;
            let h = total.round().clamp(0.0, most);
            *shown = h as u32;
            *left = (total - h).clamp(-16.0 * most, 16.0 * most);
        }
        GhostCell {
            route: r.route,
            lookups: t.lookups,
            hits,
            keys: (r.cache.len() as f64 / r.cache.rate()) as u32,
            bytes: r.cache.bytes() / r.cache.rate(),
        }
    }

    /// Once a minute forgets keys that no lifetime would still hold.
    pub fn tidy(&mut self, second: u64) {
        // One route per second, in turn.
        let n = self.routes.len().max(60) as u64;
        if let Some(r) = self.routes.get_mut((second % n) as usize) {
            let before = r.cache.len();
            r.cache.forget(second);
            self.keys -= before - r.cache.len();
        }
    }
}

#[cfg(test)]
mod tests;
