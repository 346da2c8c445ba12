//! The two kinds of work: burning CPU, measured on the thread's own clock, and holding a lock or a slot.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

thread_local! {
    static TOLD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// CPU time of the calling thread since it was asked last, milliseconds. A thread serves one connection, so reading
/// and parsing this request and sending the answer before it are in it: all that a request costs the processor.
pub fn cpu_ms_since_last() -> f64 {
    let now = thread_cpu();
    (now - TOLD.replace(now)).as_secs_f64() * 1e3
}

/// Computes until the thread has used `ms` of CPU: the same demand however busy the machine is.
pub fn burn(ms: f64) -> u64 {
    let end = thread_cpu() + Duration::from_secs_f64(ms.max(0.0) / 1e3);
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    while thread_cpu() < end {
        for _ in 0..500 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
    }
    std::hint::black_box(x)
}

/// Restricts the process to the first core that it may use.
pub fn pin_to_one_core() -> std::io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut one = rustix::thread::CpuSet::new();
    let first = (0..rustix::thread::CpuSet::MAX_CPU)
        .find(|&c| allowed.is_set(c))
        .unwrap_or(0);
    one.set(first);
    rustix::thread::sched_setaffinity(None, &one)?;
    Ok(())
}

/// What was waited for and then held, milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    pub wait_ms: f64,
    pub busy_ms: f64,
}

/// A lock that tells how long it was awaited and held.
#[derive(Default)]
pub struct Lock(Mutex<()>);

impl Lock {
    /// Holds the lock while `work` runs.
    pub fn hold<T>(&self, work: impl FnOnce() -> T) -> (T, Held) {
        let asked = Instant::now();
        let _guard = lock(&self.0);
        let got = Instant::now();
        let result = work();
        (
            result,
            Held {
                wait_ms: (got - asked).as_secs_f64() * 1e3,
                busy_ms: got.elapsed().as_secs_f64() * 1e3,
            },
        )
    }
}

/// Stops the world again and again, as some garbage collectors do: who wants in waits, who is inside is waited for.
#[derive(Clone, Default)]
pub struct World(Arc<RwLock<()>>);

impl World {
    /// Nobody gets in for `ms`, every `every_s`; 0 ms: never.
    pub fn stop_every(&self, every_s: f64, ms: f64) {
        if ms <= 0.0 {
            return;
        }
        let (world, pause) = (self.0.clone(), Duration::from_secs_f64(ms / 1e3));
        let between = Duration::from_secs_f64(every_s.max(0.001)).saturating_sub(pause);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(between);
                let _stopped = world.write().unwrap_or_else(|e| e.into_inner());
                std::thread::sleep(pause);
            }
        });
    }

    /// Held while a request is worked on.
    pub fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().unwrap_or_else(|e| e.into_inner())
    }
}

/// Something that was made for many, kept for a while. When it is too old everybody makes it anew: nobody waits for who has begun.
#[derive(Default)]
pub struct Kept(Mutex<Option<(Instant, String)>>);

impl Kept {
    pub fn get(
        &self,
        seconds: f64,
        make: impl FnOnce() -> std::io::Result<String>,
    ) -> std::io::Result<String> {
        let young = |at: &Instant| at.elapsed().as_secs_f64() < seconds;
        if let Some((_, kept)) = lock(&self.0).as_ref().filter(|(at, _)| young(at)) {
            return Ok(kept.clone());
        }
        let made = make()?;
        *lock(&self.0) = Some((Instant::now(), made.clone()));
        Ok(made)
    }
}

/// A pool of things to borrow; whoever finds it empty waits.
pub struct Pool<T> {
    free: Mutex<Vec<T>>,
    given_back: Condvar,
    pub size: usize,
}

impl<T> Pool<T> {
    pub fn new(things: Vec<T>) -> Pool<T> {
        Pool {
            size: things.len(),
            free: Mutex::new(things),
            given_back: Condvar::new(),
        }
    }

    /// Borrows one while `work` runs.
    pub fn borrow<R>(&self, work: impl FnOnce(&mut T) -> R) -> (R, Held) {
        let asked = Instant::now();
        let mut free = lock(&self.free);
        let mut thing = loop {
            match free.pop() {
                Some(t) => break t,
                None => {
                    free = self
                        .given_back
                        .wait(free)
                        .unwrap_or_else(|e| e.into_inner())
                }
            }
        };
        drop(free);
        let got = Instant::now();
        let result = work(&mut thing);
        let held = Held {
            wait_ms: (got - asked).as_secs_f64() * 1e3,
            busy_ms: got.elapsed().as_secs_f64() * 1e3,
        };
        lock(&self.free).push(thing);
        self.given_back.notify_one();
        (result, held)
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}
