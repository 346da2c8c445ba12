//! Time as a number that is passed in: no decision reads a clock.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds on one monotonic clock whose zero is the start of the process (or of a recording).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Nanos(pub u64);

impl Nanos {
    pub const ZERO: Nanos = Nanos(0);
    pub const MAX: Nanos = Nanos(u64::MAX);

    pub fn from_secs_f64(s: f64) -> Nanos {
        Nanos((s.max(0.0) * 1e9) as u64)
    }
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Nanos {
    type Output = Nanos;
    fn add(self, d: Duration) -> Nanos {
        Nanos(
            self.0
                .saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Nanos {
    type Output = Nanos;
    fn sub(self, d: Duration) -> Nanos {
        Nanos(
            self.0
                .saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// The process's monotonic clock; all of its shells read this one, so that samples and probes agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: std::time::Instant,
}

impl Clock {
    pub fn start() -> Clock {
        Clock {
            zero: std::time::Instant::now(),
        }
    }
    /// One that was started so long ago; for tests, at most since the machine was.
    pub fn started(ago: Duration) -> Clock {
        let now = std::time::Instant::now();
        Clock {
            zero: now.checked_sub(ago).unwrap_or(now),
        }
    }
    #[inline]
    pub fn now(&self) -> Nanos {
        Nanos(self.zero.elapsed().as_nanos() as u64)
    }
    pub fn at(&self, instant: std::time::Instant) -> Nanos {
        Nanos(instant.saturating_duration_since(self.zero).as_nanos() as u64)
    }
    pub fn instant(&self, at: Nanos) -> std::time::Instant {
        self.zero + Duration::from_nanos(at.0)
    }
}
