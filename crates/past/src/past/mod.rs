//! Both tiers together: takes what was counted, gives rows to store, forgets what is too old or too much.

use crate::metric::Keep;
use crate::row::Row;
use crate::tier::{Tier, chunk};
use crate::{MAX_SERIES, Series};
use base::grain::{COARSE_MS, FINE_MS, Grain};
use serde::Serialize;
use std::collections::HashMap;

/// Fine slots are kept for three hours.
pub const FINE_KEEP_MS: u64 = 3 * 3_600_000;

/// How long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub counts_ms: u64,
    pub buckets_ms: u64,
    /// Of memory, and about the same on the disk.
    pub bytes: usize,
}

impl Bounds {
    pub fn keep_ms(&self, keep: Keep) -> u64 {
        match keep {
            Keep::Counts => self.counts_ms,
            Keep::Buckets => self.buckets_ms,
        }
    }
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub series: usize,
    pub bytes: usize,
    /// The oldest slot and the end of the newest, milliseconds since the Unix epoch.
    pub oldest_ms: Option<u64>,
    pub newest_ms: Option<u64>,
    /// Counts of series that were one too many.
    pub lost: u64,
}

/// The first slots that are still kept; rows of older ones need not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oldest {
    pub fine: u64,
    /// Of counts and of buckets.
    pub coarse: [u64; 2],
}

#[derive(Clone, Debug)]
pub struct Past {
    pub(crate) series: Vec<Series>,
    ids: HashMap<Series, u32>,
    pub(crate) fine: Tier,
    pub(crate) coarse: Tier,
    bounds: Bounds,
    lost: u64,
    /// The newest coarse slot that was put back whole.
    whole: Option<u64>,
    oldest: Oldest,
}

impl Past {
    pub fn new(bounds: Bounds) -> Past {
        Past {
            series: Vec::new(),
            ids: HashMap::new(),
            fine: Tier::new(Grain::Fine),
            coarse: Tier::new(Grain::Coarse),
            bounds,
            lost: 0,
            whole: None,
            oldest: Oldest::default(),
        }
    }

    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub fn oldest(&self) -> Oldest {
        self.oldest
    }

    /// Every series by number, as a store keeps them.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Into an empty one: the names that a store has. Rows follow by `put_back`.
    pub fn put_back_names(&mut self, series: impl IntoIterator<Item = Series>) {
        for s in series.into_iter().take(MAX_SERIES - self.series.len()) {
            self.ids.insert(s.clone(), self.series.len() as u32);
            self.series.push(s);
        }
    }

    /// A row that a store has, ascending, coarse ones first; what lies after `now_ms` came from a wrong clock. What the
    /// coarse rows do not have yet is in the fine ones.
    pub fn put_back(&mut self, mut row: Row, now_ms: u64) {
        if row.slot > now_ms / row.grain.slot_ms() {
            return;
        }
        row.counts.retain(|c| (c.0 as usize) < self.series.len());
        if row.grain == Grain::Coarse {
            self.whole = Some(row.slot.max(self.whole.unwrap_or(0)));
            self.coarse.add(row.slot, row.fine, &row.counts);
            return;
        }
        self.fine.add(row.slot, row.fine, &row.counts);
        let slot = coarse_of(row.slot);
        if self.whole.is_none_or(|w| w < slot) {
            self.coarse.add(slot, row.fine, &row.counts);
        }
        if row.slot.is_multiple_of(chunk(Grain::Fine)) {
            self.forget();
        }
    }

    /// Takes what was counted in the fine slot that ends at or just before `now_ms`; the rows to store.
    pub fn push(&mut self, now_ms: u64, counts: Vec<(Series, u64)>) -> Vec<Row> {
        let ended = (now_ms / FINE_MS).saturating_sub(1);
        self.push_slot(ended, counts)
    }

    /// Takes what was counted in the slot under way, for a stop.
    pub fn push_open(&mut self, now_ms: u64, counts: Vec<(Series, u64)>) -> Vec<Row> {
        self.push_slot(now_ms / FINE_MS, counts)
    }

    /// The same for a slot by its number.
    pub fn push_slot(&mut self, slot: u64, counts: Vec<(Series, u64)>) -> Vec<Row> {
        let slot = self.fine.newest.map_or(slot, |n| n.max(slot));
        let mut numbered = Vec::with_capacity(counts.len());
        for (series, n) in counts {
            match self.number(series) {
                Some(id) => numbered.push((id, n)),
                None => self.lost += n,
            }
        }
        let (coarse, before) = (coarse_of(slot), self.coarse.newest);
        let mut rows = Vec::new();
        if let Some(closed) = before.filter(|b| *b < coarse) {
            rows.extend(self.rows(closed));
        }
        let new = u64::from(self.fine.is_new(slot));
        self.fine.add(slot, new, &numbered);
        self.coarse.add(coarse, new, &numbered);
        rows.push(Row {
            grain: Grain::Fine,
            keep: Keep::Counts,
            slot,
            fine: 1,
            counts: self.fine.open(slot),
        });
        if before != Some(coarse) {
            self.forget();
        }
        rows
    }

    /// A closed coarse slot as counts and as buckets, which are kept for a shorter time.
    fn rows(&self, slot: u64) -> Vec<Row> {
        let held = self.coarse.open(slot);
        let of = |keep: Keep| Row {
            grain: Grain::Coarse,
            keep,
            slot,
            // Told once.
            fine: if keep == Keep::Counts {
                self.coarse.recorded.open(slot)
            } else {
                0
            },
            counts: (held.iter().copied())
                .filter(|c| self.series[c.0 as usize].keep() == keep)
                .collect(),
        };
        Keep::ALL.map(of).into()
    }

    fn number(&mut self, series: Series) -> Option<u32> {
        if let Some(id) = self.ids.get(&series) {
            return Some(*id);
        }
        if self.series.len() >= MAX_SERIES {
            return None;
        }
        let id = self.series.len() as u32;
        self.series.push(series.clone());
        self.ids.insert(series, id);
        Some(id)
    }

    /// What is too old goes; then the oldest, until the rest fits.
    fn forget(&mut self) {
        let series = &self.series;
        let keep = |id: usize| series[id].keep();
        let newest = self.fine.newest.map_or(0, |n| (n + 1) * FINE_MS);
        let first = |ms: u64, grain: Grain| newest.saturating_sub(ms) / grain.slot_ms();
        let fine = first(FINE_KEEP_MS + COARSE_MS, Grain::Fine);
        self.fine.forget([fine; 2], keep);
        let mut oldest = Keep::ALL.map(|k| first(self.bounds.keep_ms(k), Grain::Coarse));
        self.coarse.forget(oldest, keep);
        let chunk = chunk(Grain::Coarse);
        let newest = self.coarse.newest.unwrap_or(0);
        // Buckets first: they are the bulk, and counts say more about a month.
        while self.bytes() > self.bounds.bytes && oldest[0] + chunk < newest {
            let place = usize::from(oldest[1] + chunk < newest);
            oldest[place] += chunk;
            self.coarse.forget(oldest, keep);
        }
        self.oldest = Oldest {
            fine,
            coarse: oldest,
        };
    }

    pub fn bytes(&self) -> usize {
        let labels = |s: &Series| s.labels.iter().map(|l| l.len() + 24).sum::<usize>();
        let names: usize = self.series.iter().map(|s| 2 * (120 + labels(s))).sum();
        self.fine.bytes() + self.coarse.bytes() + names
    }

    pub fn summary(&self) -> Summary {
        let mut oldest = None;
        self.coarse
            .recorded
            .read(0, u64::MAX, chunk(Grain::Coarse), |slot, _| {
                oldest = oldest.or(Some(slot * COARSE_MS));
            });
        Summary {
            series: self.series.len(),
            bytes: self.bytes(),
            oldest_ms: oldest,
            newest_ms: self.fine.newest.map(|n| (n + 1) * FINE_MS),
            lost: self.lost,
        }
    }
}

fn coarse_of(fine: u64) -> u64 {
    fine * FINE_MS / COARSE_MS
}

#[cfg(test)]
mod tests;
