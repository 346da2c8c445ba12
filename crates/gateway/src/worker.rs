//! What one traffic thread has to itself: its snapshot, its timers, its connections to instances, its scratch room.
//! Nothing here is shared, so nothing here locks.

use crate::access::AccessTap;
use crate::connection::{Busy, Slots};
use crate::open::Open;
use crate::retry::hedge::Paces;
use crate::runtime::Shared;
use crate::snapshot::Snapshot;
use crate::tap::Tap;
use crate::timing::Timing;
use crate::upstream::call::AllCalls;
use crate::upstream::pool::{Conn, Idle};
use crate::upstream::private::Private;
use crate::wheel::{TICK, Wheel};
use base::{Details, InstanceIx, Nanos, RouteIx, Sample};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rooms for exchanges that are kept for the next one.
const SPARE: usize = 128;

pub struct Worker {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub wheel: Wheel,
    pub idle: Idle,
    pub private: Private,
    pub calls: AllCalls,
    pub timing: Timing,
    pub open: Open,
    pub hedges: Paces,
    /// One read from an instance, handled before the next.
    pub scratch: RefCell<Vec<u8>>,
    pub lines: RefCell<http1::Lines>,
    pub access: AccessTap,
    tap: Tap,
    details: RefCell<rtrb::Producer<Box<Details>>>,
    /// Boxed, because they are handed to connections and back.
    #[allow(clippy::vec_box)]
    spare: RefCell<Vec<Box<Busy>>>,
    pub(crate) slots: Slots,
    snapshot: RefCell<Arc<Snapshot>>,
    version: Cell<u64>,
    seed: Cell<u64>,
}

impl Worker {
    pub fn new(
        index: usize,
        shared: Arc<Shared>,
        ring: rtrb::Producer<Sample>,
        access: AccessTap,
        details: rtrb::Producer<Box<Details>>,
    ) -> Worker {
        Worker {
            index,
            wheel: Wheel::new(shared.clock.now()),
            idle: Idle::default(),
            private: Private::default(),
            calls: AllCalls::default(),
            timing: Timing::default(),
            open: Open::default(),
            hedges: Paces::default(),
            scratch: RefCell::default(),
            lines: RefCell::default(),
            access,
            tap: Tap::new(ring),
            details: RefCell::new(details),
            spare: RefCell::default(),
            slots: Slots::default(),
            version: Cell::new(shared.version.load(Relaxed)),
            snapshot: RefCell::new(shared.current.load_full()),
            seed: Cell::new(std::hash::RandomState::new().hash_one(index)),
            shared,
        }
    }

    pub fn now(&self) -> Nanos {
        self.shared.clock.now()
    }

    /// The newest generation, kept.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.with_snapshot(Arc::clone)
    }

    /// The newest generation. Between changes this is one load of a number.
    pub fn with_snapshot<T>(&self, look: impl FnOnce(&Arc<Snapshot>) -> T) -> T {
        let version = self.shared.version.load(Relaxed);
        if version != self.version.get() {
            // Read after the number: at worst a newer snapshot than it says, never an older one.
            std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
            *self.snapshot.borrow_mut() = self.shared.current.load_full();
            self.version.set(version);
        }
        look(&self.snapshot.borrow())
    }

    /// Makes `mine` the newest generation.
    pub fn renew(&self, mine: &mut Arc<Snapshot>) {
        self.with_snapshot(|newest| {
            if !Arc::ptr_eq(mine, newest) {
                *mine = newest.clone();
            }
        });
    }

    /// Connections end with their next answer.
    pub fn draining(&self) -> bool {
        self.shared.draining.load(Relaxed)
    }

    /// Connections that ask nothing end soon, too: the process does.
    pub fn hurried(&self) -> bool {
        self.draining() && !self.shared.handed_over.load(Relaxed)
    }

    pub fn push(&self, sample: Sample) {
        self.tap.push(sample, &self.shared.dropped);
    }

    /// Whether somebody takes details of requests that are kept.
    pub fn tells(&self) -> bool {
        !self.details.borrow().is_abandoned()
    }

    /// Nothing is made where there is no room: telemetry counts requests that come without.
    pub fn tell(&self, details: impl FnOnce() -> Details) {
        let mut ring = self.details.borrow_mut();
        if !ring.is_full() {
            // It has room, as nobody else puts anything there.
            let _ = ring.push(Box::new(details()));
        }
    }

    /// A connection to an instance that has done its exchange, for the next one.
    pub fn keep(&self, conn: Conn, now: Nanos) {
        match conn.told() {
            None => self.idle.give(conn, now),
            Some(told) => self.private.give(told, conn, now),
        }
    }

    /// Seed of one exchange.
    pub fn seed(&self) -> u64 {
        let next = self.seed.get().wrapping_add(0xd134_2543_de82_ef95);
        self.seed.set(next);
        next.wrapping_mul(0xaf25_1af3_b0f0_25b5)
    }

    pub fn room(self: &Rc<Self>) -> Box<Busy> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Box::new(Busy::new(self.clone())))
    }

    pub fn give_back(&self, mut room: Box<Busy>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            room.shrink();
            spare.push(room);
        }
    }

    pub fn opened(&self, route: RouteIx, by: i32) {
        if let Some(open) = self.shared.open[self.index].get(route.0 as usize) {
            open.fetch_add(by, Relaxed);
        }
    }

    /// Turns the wheel, and once a second looks after idle connections and long requests (and, on the first thread,
    /// the expiry).
    pub async fn tick(self: Rc<Self>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut draining = false;
        let mut next_second = Nanos::ZERO;
        loop {
            tick.tick().await;
            let now = self.now();
            self.wheel.turn(now);
            if self.draining() && !std::mem::replace(&mut draining, true) {
                self.wheel.wake_all();
            }
            if now >= next_second {
                next_second = now + Duration::from_secs(1);
                self.shared.beats[self.index].store(now.0, Relaxed);
                self.tidy(now);
                let long = self.open.older_than(self.shared.long, now);
                let place = &self.shared.long_open[self.index];
                *place.lock().unwrap_or_else(|e| e.into_inner()) = long;
                if self.index == 0 {
                    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
                    self.shared.expire(unix.map_or(0, |d| d.as_secs()));
                }
            }
        }
    }

    fn tidy(&self, now: Nanos) {
        let snapshot = self.snapshot();
        let longest: HashMap<InstanceIx, Duration> = (snapshot.instances.iter())
            .map(|(service, _, i)| (i.ix, service.config.pool.idle))
            .collect();
        let longest = |ix| longest.get(&ix).copied();
        self.idle.expire(now, longest);
        self.private.expire(now, longest);
        self.calls.expire(now, longest);
    }
}
