//! One ghost cache: fill times per key and lifetime, no content.

use base::Nanos;
use base::window::GHOST_TTLS;
use foldhash::fast::FixedState;
use std::collections::HashMap;

const TTLS: usize = GHOST_TTLS.len();
/// Fill times are kept in ticks of 10 ms: 32 bits last 497 days.
const TICK: u64 = 10_000_000;

#[derive(Clone, Copy)]
struct Entry {
    /// Tick of the fill plus one, per lifetime; 0: never filled.
    filled: [u32; TTLS],
    bytes: u32,
}

/// What one look-up found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// Bit `i`: a cache with lifetime `GHOST_TTLS[i]` would have hit.
    pub hits: u8,
    /// How many look-ups this one stands for; 0 when its key is not followed.
    pub weight: f64,
}

/// One route's cache, for all lifetimes at once.
pub struct Cache {
    entries: HashMap<u64, Entry, FixedState>,
    /// Keys with a mixed hash at or below this are followed.
    threshold: u64,
    limit: usize,
    bytes: f64,
}

/// Spreads any hash over all 64 bits (the finaliser of SplitMix64).
fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Cache {
    pub fn new(limit: usize) -> Cache {
        Cache {
            entries: HashMap::default(),
            threshold: u64::MAX,
            limit: limit.max(1),
            bytes: 0.0,
        }
    }

    /// Looks `key` up at `now`; on a miss the answer fills the cache at `fill`: its time and bytes. A look-up that
    /// starts before the fill it finds has waited for it, as requests for one key do behind a real cache.
    pub fn look(&mut self, key: u64, now: Nanos, fill: Option<(Nanos, u64)>) -> Look {
        let key = mix(key);
        if key > self.threshold {
            return Look::default();
        }
        let weight = 1.0 / self.rate();
        let tick = now.0 / TICK;
        let known = self.entries.get_mut(&key);
        let mut hits = 0u8;
        if let Some(e) = &known {
            for (i, ttl) in GHOST_TTLS.iter().enumerate() {
                let age = (tick + 1).saturating_sub(u64::from(e.filled[i]));
                if e.filled[i] != 0 && age < (ttl * 100.0) as u64 {
                    hits |= 1 << i;
                }
            }
        }
        if let Some((at, bytes)) = fill
            && hits != u8::MAX
        {
            let at = u32::try_from(at.0 / TICK + 1).unwrap_or(u32::MAX);
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let new = known.is_none();
            let e = self.entries.entry(key).or_insert(Entry {
                filled: [0; TTLS],
                bytes: 0,
            });
            for (i, filled) in e.filled.iter_mut().enumerate() {
                if hits & (1 << i) == 0 {
                    *filled = at;
                }
            }
            self.bytes += f64::from(bytes) - f64::from(e.bytes);
            e.bytes = bytes;
            if new && self.entries.len() > self.limit {
                self.halve();
            }
        }
        Look { hits, weight }
    }

    /// Share of all keys that are followed.
    pub fn rate(&self) -> f64 {
        if self.threshold == u64::MAX {
            1.0
        } else {
            (self.threshold as f64 + 1.0) / 2f64.powi(64)
        }
    }
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    pub fn bytes(&self) -> f64 {
        self.bytes.max(0.0)
    }

    /// Follows half as many keys from now on.
    pub fn halve(&mut self) {
        self.threshold /= 2;
        let threshold = self.threshold;
        self.retain(|key, _| key <= threshold);
    }

    /// Drops keys last filled longer ago than the longest lifetime.
    pub fn forget(&mut self, second: u64) {
        let oldest = second.saturating_sub(GHOST_TTLS[TTLS - 1] as u64) * 100;
        self.retain(|_, e| e.filled.iter().any(|&f| u64::from(f) > oldest));
    }

    fn retain(&mut self, keep: impl Fn(u64, &Entry) -> bool) {
        let mut bytes = 0.0;
        self.entries.retain(|&k, e| {
            let stays = keep(k, e);
            if stays {
                bytes += f64::from(e.bytes);
            }
            stays
        });
        self.bytes = bytes;
        if self.entries.capacity() > 4 * self.entries.len() + 1024 {
            self.entries.shrink_to_fit();
        }
    }
}
