//! One window while it is open: cells reached by the number of their key.

use super::keys::Keys;
use super::numbered::Numbered;
use crate::ghost::{Ghosts, Look, Tally};
use base::sample::{CacheState, Use};
use base::window::{CallCell, GhostCell, UseCell};
use base::{
    Cell, CellKey, InstanceIx, Outcome, ResourceCell, ResourceIx, RouteIx, Sample, SampleKind,
    SignalCell, Window,
};
use foldhash::fast::FixedState;
use std::collections::HashMap;

#[derive(Default)]
pub struct Open {
    cells: Numbered<Cell>,
    uses: HashMap<(u32, ResourceIx), UseCell, FixedState>,
    /// Told by the resources themselves.
    pub told: Vec<UseCell>,
    calls: HashMap<(RouteIx, RouteIx), CallCell, FixedState>,
    resources: HashMap<(ResourceIx, InstanceIx), ResourceCell, FixedState>,
    pub signals: Vec<SignalCell>,
    ghosts: Numbered<Tally>,
    pub dropped: u32,
}

impl Open {
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.resources.is_empty() && self.dropped == 0
    }

    #[inline]
    pub fn cell(&mut self, slot: u32, key: CellKey) -> &mut Cell {
        self.cells.get_or(slot, || Cell::new(key))
    }

    /// Everything that is counted where a request ends.
    pub fn end(&mut self, slot: u32, key: CellKey, s: &Sample) {
        let cell = self.cell(slot, key);
        cell.ends += 1;
        cell.bytes_in += s.bytes_in as f64;
        cell.bytes_out += s.bytes_out as f64;
        cell.wait_s += f64::from(s.wait_us) / 1e6;
        match s.cache {
            CacheState::Hit => cell.cache_hits += 1,
            CacheState::Miss => cell.cache_misses += 1,
            CacheState::Off | CacheState::Bypass => {}
        }
        if s.outcome == Outcome::Refused {
            cell.refused += 1;
        }
        // A client that left, or an attempt that was cancelled, tells nothing about the service.
        let gone = matches!(s.outcome, Outcome::ClientGone | Outcome::Lost);
        let left = gone && s.status < 500;
        if !left && (s.status >= 500 || s.status == 0) {
            cell.errors += 1;
        }
        if s.outcome != Outcome::Stream {
            let us = s.end.0.saturating_sub(s.start.0) / 1000;
            let seconds = s.seconds();
            cell.seconds += seconds;
            cell.seconds_sq += seconds * seconds;
            cell.latency.record_us(us, 1);
        }
    }

    pub fn used(&mut self, slot: u32, key: CellKey, u: &Use, db: Option<&Sample>, limit: usize) {
        if self.uses.len() >= limit && !self.uses.contains_key(&(slot, u.resource)) {
            return;
        }
        let cell = self
            .uses
            .entry((slot, u.resource))
            .or_insert_with(|| UseCell {
                key,
                resource: u.resource,
                count: 0,
                weight: 1.0,
                of: 0.0,
                busy_s: 0.0,
                busy_sq: 0.0,
                wait_s: 0.0,
                waits: 0,
                calls: 0.0,
                rows: 0.0,
                returned: 0.0,
            });
        let busy = f64::from(u.busy_us) / 1e6;
        cell.count += 1;
        cell.busy_s += busy;
        cell.busy_sq += busy * busy;
        if u.wait_us != u32::MAX {
            cell.wait_s += f64::from(u.wait_us) / 1e6;
            cell.waits += 1;
        }
        if let Some(s) = db {
            cell.calls += f64::from(s.db_calls);
            cell.rows += f64::from(s.db_rows);
            cell.returned += f64::from(s.db_returned);
        }
    }

    pub fn call(&mut self, s: &Sample, limit: usize) {
        let key = (s.parent, s.route);
        if self.calls.len() >= limit && !self.calls.contains_key(&key) {
            return;
        }
        let cell = self.calls.entry(key).or_insert(CallCell {
            parent: s.parent,
            child: s.route,
            count: 0,
            seconds: 0.0,
        });
        cell.count += 1;
        cell.seconds += s.seconds();
    }

    pub fn ghost(&mut self, ix: u32, look: Look) {
        self.ghosts.get_or(ix, Tally::default).add(look);
    }

    pub fn resource(&mut self, c: ResourceCell) {
        fn plus(a: Option<f64>, b: Option<f64>) -> Option<f64> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        }
        self.resources
            .entry((c.resource, c.instance))
            .and_modify(|r| {
                r.busy += c.busy;
                r.capacity = c.capacity.or(r.capacity);
                r.level = c.level.or(r.level);
                r.waiting = plus(r.waiting, c.waiting);
                r.background = plus(r.background, c.background);
            })
            .or_insert(c);
    }

    /// As a window, every list sorted by its key so that the same input gives the same output.
    pub fn close(mut self, index: u64, keys: &Keys, ghosts: &mut Ghosts) -> Window {
        let (mut requests, mut attempts) = (Vec::new(), Vec::new());
        for (slot, mut cell) in self.cells {
            cell.latency.shrink_to_fit();
            match keys.kind(slot) {
                SampleKind::Request => requests.push(cell),
                SampleKind::Attempt => attempts.push(cell),
            }
        }
        requests.sort_by_key(|c: &Cell| c.key);
        attempts.sort_by_key(|c: &Cell| c.key);
        let mut uses: Vec<UseCell> = self.uses.into_values().chain(self.told).collect();
        uses.sort_by_key(|u| (u.key, u.resource));
        let mut calls: Vec<CallCell> = self.calls.into_values().collect();
        calls.sort_by_key(|c| (c.parent, c.child));
        let mut resources: Vec<ResourceCell> = self.resources.into_values().collect();
        resources.sort_by_key(|c| (c.resource, c.instance));
        let cell = |(ix, tally)| ghosts.cell(ix, tally);
        let mut shown: Vec<GhostCell> = self.ghosts.into_iter().map(cell).collect();
        shown.sort_by_key(|g| g.route);
        // A closed window is kept for minutes: it takes what it holds and no more.
        requests.shrink_to_fit();
        attempts.shrink_to_fit();
        shown.shrink_to_fit();
        self.signals.shrink_to_fit();
        Window {
            index,
            requests,
            attempts,
            uses,
            calls,
            resources,
            signals: self.signals,
            ghosts: shown,
            late: 0,
            dropped: self.dropped,
        }
    }

    pub fn mark(&self, used: &mut [bool]) {
        for (slot, _) in self.cells.iter() {
            used[*slot as usize] = true;
        }
    }

    pub fn renumber(&mut self, moved: &[u32]) {
        self.cells.renumber(moved);
        self.uses = std::mem::take(&mut self.uses)
            .into_iter()
            .map(|((slot, r), u)| ((moved[slot as usize], r), u))
            .collect();
    }
}
