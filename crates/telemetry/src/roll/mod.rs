//! The roll-up: samples in, windows of one second out. Pure; the caller says what time it is.
//!
//! Regressor: `z_r(w) = Σ overlap([start, end], w) / (end − start)` over the requests of route `r`: the share of
//! each request's life inside the window, so that work is counted where it happened and not where it ended.

mod keys;
mod numbered;
mod open;

use crate::ghost::Ghosts;
use base::window::{CLOSE_AFTER_S, UseCell};
use base::{
    CellKey, InstanceIx, Nanos, Outcome, ResourceCell, ResourceIx, RouteIx, Sample, SampleKind,
    SignalCell, Window,
};
use keys::Keys;
use open::Open;
use std::collections::VecDeque;

const SECOND: u64 = 1_000_000_000;
/// Empty seconds written out in a row; a longer silence becomes a gap in the windows.
const EMPTY_RUN: u64 = 120;

/// What keeps a roller's memory bounded.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Distinct route × arm × instance; more go to the key of `NONE`s.
    pub keys: usize,
    /// Distinct key × resource, and parent × child, per window; more are dropped.
    pub pairs: usize,
    /// Windows open at once. Samples further away than this are counted as late.
    pub open: u64,
    /// Seconds a window stays open after its end; `None`: until `finish` (a recording in any order).
    pub close_after_s: Option<u64>,
}

impl Bounds {
    pub const LIVE: Bounds = Bounds {
        keys: 8192,
        pairs: 8192,
        open: 64,
        close_after_s: Some(CLOSE_AFTER_S),
    };
    /// For a recording: every window stays open, at most a day of them.
    pub const RECORDING: Bounds = Bounds {
        open: 86_400,
        close_after_s: None,
        ..Bounds::LIVE
    };
}

/// Turns samples into windows. One window is open per second until `close_after_s` after its end.
pub struct Roller {
    bounds: Bounds,
    /// Index of `open[0]`; `None` before the first sample or advance.
    first: Option<u64>,
    open: VecDeque<Open>,
    keys: Keys,
    ghosts: Ghosts,
    /// `db[resource]`: its uses carry the calls and rows of the sample.
    db: Vec<bool>,
    /// Late samples and dropped ones that wait for a window to be counted in.
    late: u32,
    closed_since_compact: u32,
}

impl Roller {
    pub fn new(bounds: Bounds) -> Roller {
        Roller {
            bounds,
            first: None,
            open: VecDeque::new(),
            keys: Keys::new(bounds.keys),
            ghosts: Ghosts::default(),
            db: Vec::new(),
            late: 0,
            closed_since_compact: 0,
        }
    }

    /// From now on the database calls and rows of a sample are credited to its use of this resource.
    pub fn mark_db(&mut self, resource: ResourceIx) {
        if let Some(i) = resource.get() {
            if self.db.len() <= i {
                self.db.resize(i + 1, false);
            }
            self.db[i] = true;
        }
    }

    /// Takes one ended request or attempt.
    pub fn push(&mut self, s: &Sample) {
        let (start, end) = (s.start.0, s.end.0.max(s.start.0));
        let (w0, w1) = (start / SECOND, end / SECOND);
        if self.position(w1).is_none() {
            // Its end lies before everything that is open, or absurdly far ahead.
            self.late = self.late.saturating_add(1);
            return;
        }
        if w0 < w1 && self.bounds.close_after_s.is_none() {
            // A recording's windows open in any order: make room for the start too.
            self.position(w0);
        }
        let Some(first) = self.first else { return };
        let slot = self.keys.slot(
            s.kind,
            CellKey {
                route: s.route,
                arm: s.arm,
                instance: s.instance,
            },
        );
        let key = self.keys.key(slot);
        if w0 < first {
            self.late = self.late.saturating_add(1);
        } else {
            self.open[(w0 - first) as usize].cell(slot, key).arrivals += 1;
        }
        if s.outcome != Outcome::Stream {
            self.life(slot, key, start, end, first);
        }
        let last = &mut self.open[(w1 - first) as usize];
        last.end(slot, key, s);
        if s.kind == SampleKind::Request {
            if !s.parent.is_none() {
                last.call(s, self.bounds.pairs);
            }
            if s.key_hash != 0
                && let Some((ix, look)) = self.ghosts.look(s)
            {
                last.ghost(ix, look);
            }
        }
        for u in s.uses.iter().filter(|u| !u.resource.is_none()) {
            let db = self.db.get(u.resource.0 as usize).copied() == Some(true);
            last.used(slot, key, u, db.then_some(s), self.bounds.pairs);
        }
    }

    /// Spreads one life over the open windows that it touches.
    fn life(&mut self, slot: u32, key: CellKey, start: u64, end: u64, first: u64) {
        let life = (end - start) as f64;
        let (w0, w1) = (start / SECOND, end / SECOND);
        if w0 == w1 {
            if w0 >= first {
                let cell = self.open[(w0 - first) as usize].cell(slot, key);
                cell.life += 1.0;
                cell.in_flight_s += life / 1e9;
            }
            return;
        }
        for w in w0.max(first)..=w1 {
            let overlap = (end.min((w + 1) * SECOND) - start.max(w * SECOND)) as f64;
            let cell = self.open[(w - first) as usize].cell(slot, key);
            cell.life += overlap / life;
            cell.in_flight_s += overlap / 1e9;
        }
    }

    /// What the resources did in one second; a second report of the same resource and instance is added to the first.
    pub fn resources(&mut self, second: u64, cells: Vec<ResourceCell>) {
        let Some(i) = self.position(second) else {
            return;
        };
        for c in cells {
            self.open[i].resource(c);
        }
    }

    /// What resources told of routes by themselves; it comes on top of what requests told.
    pub fn uses(&mut self, second: u64, cells: Vec<UseCell>) {
        let Some(i) = self.position(second) else {
            return;
        };
        self.open[i]
            .told
            .extend(cells.into_iter().take(self.bounds.pairs));
    }

    /// What the kernel told of resources beside their use.
    pub fn signals(&mut self, second: u64, cells: Vec<SignalCell>) {
        let Some(i) = self.position(second) else {
            return;
        };
        let signals = &mut self.open[i].signals;
        let room = self.bounds.pairs.saturating_sub(signals.len());
        signals.extend(cells.into_iter().take(room));
    }

    /// `n` requests of `route` that were in flight in `second` are still open while its window is about to close:
    /// their lives would otherwise be invisible. Call it before the `advance` that closes the window, that is with
    /// requests older than [`CLOSE_AFTER_S`]. They add to `in_flight_s` only: the share of an unfinished life is not known.
    pub fn open(&mut self, second: u64, route: RouteIx, n: u32) {
        let Some(i) = self.position(second) else {
            return;
        };
        let slot = self.keys.slot(
            SampleKind::Request,
            CellKey {
                route,
                arm: base::Arm::BASE,
                instance: InstanceIx::NONE,
            },
        );
        let key = self.keys.key(slot);
        self.open[i].cell(slot, key).in_flight_s += f64::from(n);
    }

    /// A request whose end is not known: it arrived, and was in flight until `until`.
    pub fn unfinished(&mut self, s: &Sample, until: Nanos) {
        let (start, end) = (s.start.0, until.0.max(s.start.0));
        let w0 = start / SECOND;
        if self.position(w0).is_none() || self.position(end / SECOND).is_none() {
            self.late = self.late.saturating_add(1);
            return;
        }
        let Some(first) = self.first else { return };
        let key = CellKey {
            route: s.route,
            arm: s.arm,
            instance: s.instance,
        };
        let slot = self.keys.slot(s.kind, key);
        let key = self.keys.key(slot);
        self.open[(w0 - first) as usize].cell(slot, key).arrivals += 1;
        for w in w0..=end / SECOND {
            let overlap = end.min((w + 1) * SECOND) - start.max(w * SECOND);
            self.open[(w - first) as usize].cell(slot, key).in_flight_s += overlap as f64 / 1e9;
        }
    }

    /// Samples that never arrived because a ring was full.
    pub fn dropped(&mut self, second: u64, n: u32) {
        if let Some(i) = self.position(second) {
            let w = &mut self.open[i];
            w.dropped = w.dropped.saturating_add(n);
        }
    }

    /// Windows whose time to close has come, in order.
    pub fn advance(&mut self, now: Nanos) -> Vec<Window> {
        let Some(after) = self.bounds.close_after_s else {
            return Vec::new();
        };
        let second = now.0 / SECOND;
        let Some(first) = self.first else {
            self.first = Some(second.saturating_sub(after));
            return Vec::new();
        };
        // Closed: `index + 1 + after <= now`.
        let until = second.saturating_sub(after);
        let mut out = Vec::new();
        let mut at = first;
        while at < until {
            match self.open.pop_front() {
                Some(w) => out.push(self.close(at, w)),
                None if until - at > EMPTY_RUN => {
                    at = until;
                    break;
                }
                None => out.push(self.close(at, Open::default())),
            }
            at += 1;
        }
        self.first = Some(at);
        self.closed_since_compact += out.len() as u32;
        if self.closed_since_compact >= 256 {
            self.closed_since_compact = 0;
            self.compact();
        }
        out
    }

    /// Closes everything that is open; silent seconds are left out.
    pub fn finish(&mut self) -> Vec<Window> {
        let Some(first) = self.first else {
            return Vec::new();
        };
        let all = std::mem::take(&mut self.open);
        self.first = Some(first + all.len() as u64);
        let mut out = Vec::with_capacity(all.len());
        let mut silent = 0;
        for (i, w) in all.into_iter().enumerate() {
            silent = if w.is_empty() { silent + 1 } else { 0 };
            if silent <= EMPTY_RUN {
                out.push(self.close(first + i as u64, w));
            }
        }
        // A run that was cut off leaves its head behind: drop the silence at the end.
        while out.last().is_some_and(|w| {
            w.requests.is_empty() && w.attempts.is_empty() && w.resources.is_empty()
        }) {
            out.pop();
        }
        out
    }

    /// Distinct keys known now.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    fn close(&mut self, index: u64, w: Open) -> Window {
        let mut window = w.close(index, &self.keys, &mut self.ghosts);
        window.late = std::mem::take(&mut self.late);
        self.ghosts.tidy(index);
        window
    }

    /// Where the window of a second lies in `open`; opens it when it may be.
    fn position(&mut self, second: u64) -> Option<usize> {
        let first = *self.first.get_or_insert(second);
        if second < first {
            let missing = first - second;
            if self.bounds.close_after_s.is_some()
                || missing + self.open.len() as u64 > self.bounds.open
            {
                return None;
            }
            for _ in 0..missing {
                self.open.push_front(Open::default());
            }
            self.first = Some(second);
            return Some(0);
        }
        let i = second - first;
        if i >= self.bounds.open {
            return None;
        }
        while self.open.len() as u64 <= i {
            self.open.push_back(Open::default());
        }
        Some(i as usize)
    }

    /// Forgets keys that no open window uses, so that instances may come and go for ever.
    fn compact(&mut self) {
        let mut used = vec![false; self.keys.len()];
        for w in &self.open {
            w.mark(&mut used);
        }
        let moved = self.keys.keep(&used);
        for w in &mut self.open {
            w.renumber(&moved);
        }
    }
}

#[cfg(test)]
mod tests;
