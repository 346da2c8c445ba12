//! One copy of a station: who is served, who waits, and how busy it was in each reading of the probe.

use crate::world::StationKind;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A request (its number) or background work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Job(usize),
    Background,
}

/// A finite time that sorts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At(pub f64);
impl Eq for At {}
impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Busy, waiting and background seconds between two readings, and what is held at the second one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub held: f64,
    pub busy: f64,
    pub waiting: f64,
    pub background: f64,
}

/// A counter that moves in steps, as the accounting of some kernels does.
pub struct Ticks {
    length: f64,
    exact: f64,
    told: f64,
}

impl Ticks {
    pub fn new(length: f64) -> Ticks {
        Ticks {
            length,
            exact: 0.0,
            told: 0.0,
        }
    }

    /// What the counter gains in a reading that in truth gained `busy`.
    pub fn counted(&mut self, busy: f64) -> f64 {
        if self.length <= 0.0 {
            return busy;
        }
        self.exact += busy;
        let now = (self.exact / self.length).floor() * self.length;
        let gained = now - self.told;
        self.told = now;
        gained
    }
}

pub struct Copy {
    pub kind: StationKind,
    last: f64,
    /// Attained service per job in processor sharing.
    virtual_s: f64,
    shared: BinaryHeap<Reverse<(At, u64, usize)>>,
    sequence: u64,
    background: usize,
    /// In service at a line, or slots taken.
    serving: usize,
    pub queue: VecDeque<(Who, f64)>,
    /// Changes whenever the next end of processor sharing does.
    pub version: u64,
    edges: std::rc::Rc<Vec<f64>>,
    at: usize,
    pub readings: Vec<Reading>,
}

const BACKGROUND: usize = usize::MAX;

impl Copy {
    /// `edges`: when the probe reads, sorted.
    pub fn new(kind: StationKind, edges: std::rc::Rc<Vec<f64>>) -> Copy {
        Copy {
            kind,
            last: 0.0,
            virtual_s: 0.0,
            shared: BinaryHeap::new(),
            sequence: 0,
            background: 0,
            serving: 0,
            queue: VecDeque::new(),
            version: 0,
            readings: vec![Reading::default(); edges.len()],
            edges,
            at: 0,
        }
    }

    fn share(&self) -> f64 {
        match self.kind {
            StationKind::Cpu(c) if !self.shared.is_empty() => {
                (c / self.shared.len() as f64).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// Lets time pass up to `now`.
    pub fn advance(&mut self, now: f64) {
        let share = self.share();
        let busy = match self.kind {
            StationKind::Cpu(_) => share * self.shared.len() as f64,
            _ => self.serving as f64,
        };
        let background = match self.kind {
            StationKind::Cpu(_) => share * self.background as f64,
            _ => self.background as f64,
        };
        let mut from = self.last;
        while from < now {
            while self.at < self.edges.len() && self.edges[self.at] <= from {
                self.at += 1;
            }
            let to = self.edges.get(self.at).map_or(now, |e| e.min(now));
            if let Some(r) = self.readings.get_mut(self.at) {
                r.held = self.serving as f64;
                r.busy += busy * (to - from);
                r.background += background * (to - from);
                r.waiting += self.queue.len() as f64 * (to - from);
            }
            from = to;
        }
        self.virtual_s += share * (now - self.last).max(0.0);
        self.last = now;
    }

    /// Joins processor sharing.
    pub fn join(&mut self, who: Who, service: f64) {
        let id = match who {
            Who::Job(j) => j,
            Who::Background => {
                self.background += 1;
                BACKGROUND
            }
        };
        self.sequence += 1;
        let end = At(self.virtual_s + service);
        self.shared.push(Reverse((end, self.sequence, id)));
        self.version += 1;
    }

    /// When the next one leaves processor sharing.
    pub fn next_end(&self) -> Option<f64> {
        let Reverse((end, ..)) = self.shared.peek()?;
        Some(self.last + (end.0 - self.virtual_s).max(0.0) / self.share())
    }

    pub fn finish(&mut self) -> Option<Who> {
        let Reverse((end, _, id)) = self.shared.pop()?;
        self.virtual_s = self.virtual_s.max(end.0);
        self.version += 1;
        Some(if id == BACKGROUND {
            self.background -= 1;
            Who::Background
        } else {
            Who::Job(id)
        })
    }

    /// Takes a server or slot; false: it waits.
    pub fn take(&mut self, who: Who, service: f64) -> bool {
        let limit = match self.kind {
            StationKind::Line(n) | StationKind::Slots(n) => n,
            StationKind::Cpu(_) | StationKind::Level { .. } => usize::MAX,
        };
        if self.serving < limit {
            self.serving += 1;
            self.background += usize::from(who == Who::Background);
            return true;
        }
        self.queue.push_back((who, service));
        false
    }

    /// Gives a server or slot back; the next in line takes it.
    pub fn give(&mut self, who: Who) -> Option<(Who, f64)> {
        self.background -= usize::from(who == Who::Background);
        let next = self.queue.pop_front();
        match next {
            Some((w, _)) => self.background += usize::from(w == Who::Background),
            None => self.serving -= 1,
        }
        next
    }
}
