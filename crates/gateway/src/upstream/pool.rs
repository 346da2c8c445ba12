//! Connections to instances. Idle ones belong to one thread, last in first out; how many carry an attempt is counted,
//! and limited when the service says so, over all threads together.

use super::Instance;
use super::link::{Link, same};
use crate::connection::Socket;
use crate::proxy_protocol::Told;
use base::{InstanceIx, Nanos};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Idle connections that one thread keeps to one instance.
const IDLE: usize = 512;

/// Plimsoll's connections to one instance, all threads together.
#[derive(Debug)]
pub struct PoolCounts {
    /// Carrying an attempt, or idle.
    pub open: AtomicU32,
    pub busy: AtomicU32,
    /// Attempts that wait for one of them now.
    pub waiting: AtomicU32,
    /// Time waited so far, nanoseconds.
    pub waited_ns: AtomicU64,
    /// Connections made, and attempts to make one that failed.
    pub connects: AtomicU64,
    pub connect_failures: AtomicU64,
    /// How many may be busy at once; 0: as many as come.
    size: AtomicU32,
    /// Permits to take back when they return, after the size has shrunk.
    debt: AtomicU32,
    slots: Arc<Semaphore>,
}

impl Default for PoolCounts {
    fn default() -> Self {
        PoolCounts {
            open: AtomicU32::new(0),
            busy: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            waited_ns: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            size: AtomicU32::new(0),
            debt: AtomicU32::new(0),
            slots: Arc::new(Semaphore::new(0)),
        }
    }
}

impl PoolCounts {
    /// Called by whoever compiles generations, one at a time.
    pub fn set_size(&self, size: Option<u32>) {
        let (old, new) = (self.size.load(Relaxed), size.unwrap_or(0));
        self.size.store(new, Relaxed);
        if new > old {
            let paid = self
                .debt
                .fetch_update(Relaxed, Relaxed, |d| Some(d.saturating_sub(new - old)))
                .unwrap_or(0)
                .min(new - old);
            self.slots.add_permits((new - old - paid) as usize);
        } else if old > new {
            let gone = self.slots.forget_permits((old - new) as usize) as u32;
            self.debt.fetch_add(old - new - gone, Relaxed);
        }
    }

    pub fn size(&self) -> Option<u32> {
        Some(self.size.load(Relaxed)).filter(|s| *s > 0)
    }
}

/// A place among the busy connections; giving it back wakes who waits.
#[derive(Debug)]
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
    instance: Arc<Instance>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let pool = &self.instance.pool;
        pool.busy.fetch_sub(1, Relaxed);
        if let Some(permit) = self.permit.take()
            && (pool.debt)
                .fetch_update(Relaxed, Relaxed, |d| d.checked_sub(1))
                .is_ok()
        {
            permit.forget();
        }
    }
}

/// A place at once, or the wait for one.
pub enum Ask {
    Now(Place),
    Full,
}

pub fn ask(instance: &Arc<Instance>) -> Ask {
    let pool = &instance.pool;
    let permit = match pool.size() {
        None => None,
        Some(_) => match pool.slots.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => return Ask::Full,
        },
    };
    Ask::Now(place(instance, permit))
}

/// Waits in line, as long as `longest`; `None`: the time is over.
pub async fn wait(instance: Arc<Instance>, longest: Duration) -> Option<Place> {
    struct Waiting<'a>(&'a Instance, std::time::Instant);
    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.pool.waiting.fetch_sub(1, Relaxed);
            let waited = self.1.elapsed().as_nanos() as u64;
            self.0.pool.waited_ns.fetch_add(waited, Relaxed);
        }
    }
    instance.pool.waiting.fetch_add(1, Relaxed);
    let waiting = Waiting(&instance, std::time::Instant::now());
    let permit = instance.pool.slots.clone().acquire_owned();
    let permit = tokio::time::timeout(longest, permit).await.ok()?.ok()?;
    drop(waiting);
    Some(place(&instance, Some(permit)))
}

fn place(instance: &Arc<Instance>, permit: Option<OwnedSemaphorePermit>) -> Place {
    instance.pool.busy.fetch_add(1, Relaxed);
    Place {
        permit,
        instance: instance.clone(),
    }
}

/// An open connection, counted as long as it lives.
#[derive(Debug)]
pub struct Conn {
    pub socket: Socket,
    counted: Counted,
}

/// The count of a connection.
#[derive(Debug)]
pub struct Counted {
    pub instance: Arc<Instance>,
    pub link: Option<Arc<Link>>,
    /// Whom it told the instance of; `None`: nothing was told.
    pub told: Option<Told>,
    /// It is part of a connection that is counted already.
    part: bool,
}

impl Conn {
    pub fn new(
        socket: Socket,
        instance: Arc<Instance>,
        link: Option<Arc<Link>>,
        told: Option<Told>,
    ) -> Conn {
        instance.pool.open.fetch_add(1, Relaxed);
        instance.pool.connects.fetch_add(1, Relaxed);
        let part = false;
        Conn {
            socket,
            counted: Counted {
                instance,
                link,
                told,
                part,
            },
        }
    }

    /// One exchange of many on a connection.
    pub fn part(socket: Socket, instance: Arc<Instance>, link: Option<Arc<Link>>) -> Conn {
        let part = true;
        Conn {
            socket,
            counted: Counted {
                instance,
                link,
                told: None,
                part,
            },
        }
    }

    pub fn told(&self) -> Option<Told> {
        self.counted.told
    }

    pub fn instance(&self) -> &Instance {
        &self.counted.instance
    }

    /// Whether it still stands, and goes where `link` says.
    pub fn serves(&mut self, link: Option<&Arc<Link>>) -> bool {
        same(self.counted.link.as_ref(), link) && self.socket.is_quiet()
    }

    /// Whether it has been idle since `since` for too long; `longest` is `None` where nothing goes any more.
    pub fn is_over(&self, since: Nanos, now: Nanos, longest: Option<Duration>) -> bool {
        let pool = &self.counted.instance.pool;
        let too_many = pool.size().is_some_and(|s| pool.open.load(Relaxed) > s);
        too_many || longest.is_none_or(|l| now.since(since) >= l)
    }

    pub fn split(self) -> (Socket, Counted) {
        (self.socket, self.counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.part {
            self.instance.pool.open.fetch_sub(1, Relaxed);
        }
    }
}

/// The idle connections of one thread.
#[derive(Default)]
pub struct Idle {
    by_instance: RefCell<Vec<VecDeque<(Conn, Nanos)>>>,
}

impl Idle {
    /// The one that was used last.
    pub fn take(&self, instance: InstanceIx, link: Option<&Arc<Link>>) -> Option<Conn> {
        let mut all = self.by_instance.borrow_mut();
        let mine = all.get_mut(instance.0 as usize)?;
        while let Some((mut conn, _)) = mine.pop_back() {
            if conn.serves(link) {
                return Some(conn);
            }
        }
        None
    }

    pub fn give(&self, conn: Conn, now: Nanos) {
        if !conn.socket.is_whole() {
            return;
        }
        let Some(ix) = conn.counted.instance.ix.get() else {
            return;
        };
        let mut all = self.by_instance.borrow_mut();
        if all.len() <= ix {
            all.resize_with(ix + 1, VecDeque::new);
        }
        if all[ix].len() < IDLE {
            all[ix].push_back((conn, now));
        }
    }

    /// Closes what has been idle for longer than `longest` says; `None` for an instance closes all to it.
    pub fn expire(&self, now: Nanos, longest: impl Fn(InstanceIx) -> Option<Duration>) {
        for (ix, mine) in self.by_instance.borrow_mut().iter_mut().enumerate() {
            if mine.is_empty() {
                continue;
            }
            let longest = longest(InstanceIx(ix as u16));
            while let Some((conn, since)) = mine.front() {
                if !conn.is_over(*since, now, longest) {
                    break;
                }
                mine.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(size: Option<u32>) -> Arc<Instance> {
        let i = Instance::new(InstanceIx(0), "s".into(), ([127, 0, 0, 1], 1).into());
        i.pool.set_size(size);
        Arc::new(i)
    }

    #[test]
    fn a_size_holds_grows_and_shrinks_while_places_are_taken() {
        let i = instance(Some(3));
        let take = || match ask(&i) {
            Ask::Now(p) => Some(p),
            Ask::Full => None,
        };
        let mut held: Vec<_> = (0..4).map_while(|_| take()).collect();
        assert_eq!(held.len(), 3);
        i.pool.set_size(Some(1));
        held.pop();
        held.pop();
        assert!(take().is_none(), "one is still out, and one is the size");
        held.pop();
        let one = take();
        assert!(one.is_some() && take().is_none());
        i.pool.set_size(Some(2));
        let two = take();
        assert!(two.is_some() && take().is_none());
        i.pool.set_size(None);
        assert!(take().is_some(), "no size, no limit");
        drop((one, two));
        i.pool.set_size(Some(1));
        let last = take();
        assert!(last.is_some() && take().is_none());
        assert_eq!(i.pool.busy.load(Relaxed), 1);
    }

    #[test]
    fn who_waits_gets_the_place_that_comes_back() {
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        rt.unwrap().block_on(async {
            let i = instance(Some(1));
            let Ask::Now(held) = ask(&i) else {
                panic!("the first place is free")
            };
            assert!(wait(i.clone(), Duration::from_millis(5)).await.is_none());
            let (place, ()) = tokio::join!(wait(i.clone(), Duration::from_secs(9)), async {
                assert_eq!(i.pool.waiting.load(Relaxed), 1);
                drop(held);
            });
            assert!(place.is_some());
            assert_eq!(i.pool.waiting.load(Relaxed), 0);
        });
    }
}
