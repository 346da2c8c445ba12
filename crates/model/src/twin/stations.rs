//! Where work is done or waits: processor sharing, first come first served, slots.

use super::quota::Quota;
use super::system::servers;
use crate::fit::ResourceFit;
use base::Discipline;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// A time and a job; orders so that the earliest is the greatest (for a max-heap).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Due {
    pub at: f64,
    pub job: u32,
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .at
            .total_cmp(&self.at)
            .then_with(|| other.job.cmp(&self.job))
    }
}

/// Everyone at once, each at most at speed 1, together at most `capacity`.
/// Jobs are kept by the virtual time at which they end, so a change of speed touches none of them.
#[derive(Clone, Debug)]
pub struct Shared {
    capacity: f64,
    quota: Option<Quota>,
    virtual_time: f64,
    since: f64,
    jobs: BinaryHeap<Due>,
}

impl Shared {
    pub fn new(capacity: f64) -> Shared {
        Shared {
            capacity: capacity.max(1e-9),
            quota: None,
            virtual_time: 0.0,
            since: 0.0,
            jobs: BinaryHeap::new(),
        }
    }
    /// A quota of less than a core: who runs has a whole one, until that of the period is spent.
    pub fn with_quota(capacity: f64) -> Shared {
        Shared {
            quota: Some(Quota::new(capacity)),
            ..Shared::new(1.0)
        }
    }
    #[inline]
    fn speed(&self) -> f64 {
        (self.capacity / self.jobs.len() as f64).min(1.0)
    }
    #[inline]
    fn advance(&mut self, now: f64) {
        if self.jobs.is_empty() {
            self.virtual_time = 0.0;
        } else {
            let (n, speed) = (self.jobs.len() as f64, self.speed());
            self.virtual_time += match &mut self.quota {
                None => speed * (now - self.since),
                Some(q) => q.give(speed * n, self.since, now) / n,
            };
        }
        self.since = now;
    }
    /// When the next job ends if nobody comes.
    #[inline]
    pub fn next_end(&self) -> f64 {
        let Some(d) = self.jobs.peek() else {
            return f64::INFINITY;
        };
        let (each, n) = ((d.at - self.virtual_time).max(0.0), self.jobs.len() as f64);
        match &self.quota {
            None => self.since + each / self.speed(),
            Some(q) => q.given_at(self.speed() * n, each * n, self.since),
        }
    }
    #[inline]
    pub fn enter(&mut self, now: f64, job: u32, work: f64) {
        self.advance(now);
        self.jobs.push(Due {
            at: self.virtual_time + work,
            job,
        });
    }
    /// The job that ends now.
    #[inline]
    pub fn leave(&mut self, now: f64) -> Option<u32> {
        self.advance(now);
        self.jobs.pop().map(|d| d.job)
    }
}

/// A number of servers or slots and the line in front of them.
#[derive(Clone, Debug)]
pub struct Line {
    pub free: u32,
    /// Servers work this much slower than the demand says (background, or a fractional server).
    pub slowness: f64,
    pub waiting: VecDeque<u32>,
}

impl Line {
    pub fn new(servers: u32, slowness: f64) -> Line {
        Line {
            free: servers.max(1),
            slowness,
            waiting: VecDeque::new(),
        }
    }
    /// Takes a server, or stands in line.
    #[inline]
    pub fn enter(&mut self, job: u32) -> bool {
        if self.free > 0 {
            self.free -= 1;
            true
        } else {
            self.waiting.push_back(job);
            false
        }
    }
    /// Gives the server to the first in line, if there is one.
    #[inline]
    pub fn leave(&mut self) -> Option<u32> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.free += 1;
        }
        next
    }
}

/// The limit of a disk for a control group: what fits into the slice passes at once, and the rest waits for the next, in order.
#[derive(Clone, Debug)]
pub struct Throttle {
    quota: Quota,
    /// When the last one passed, or will.
    last: f64,
}

impl Throttle {
    /// `share` of the limit is left for what is simulated.
    pub fn new(share: f64) -> Throttle {
        Throttle {
            quota: Quota::new(share),
            last: 0.0,
        }
    }

    /// When work of so many seconds of the limit has passed.
    pub fn pass(&mut self, now: f64, work: f64) -> f64 {
        self.last = self.quota.take(work, now.max(self.last));
        self.last
    }
}

/// One copy of a resource.
pub enum Station {
    Shared(Shared),
    Throttle(Throttle),
    Line(Line),
    Nothing,
}

impl Station {
    /// One of `copies`. Background takes its share of a capacity: processors and servers get slower, slots fewer, and of a quota less
    /// is left.
    pub fn new(r: &ResourceFit, copies: f64, is_quota: bool) -> Station {
        let share = ((r.capacity - r.background) / r.capacity).max(0.01);
        let left = share * r.capacity / copies;
        match r.info.discipline {
            Discipline::Ps if is_quota => Station::Shared(Shared::with_quota(left)),
            Discipline::Ps => Station::Shared(Shared::new(left)),
            Discipline::Fcfs if r.is_limit_of_a_disk() => Station::Throttle(Throttle::new(share)),
            Discipline::Fcfs => {
                let n = servers(r).round().max(1.0);
                let per_server = n / servers(r);
                Station::Line(Line::new(n as u32, per_server / share))
            }
            Discipline::Slots => Station::Line(Line::new(left.round().clamp(1.0, 1e9) as u32, 1.0)),
            Discipline::Level => Station::Nothing,
        }
    }
}
