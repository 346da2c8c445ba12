//! Whether what an instance runs is serial: on one thread, whatever else comes meanwhile. Node, Python and Redis are; of how many
//! cores they could use only one thread's worth counts.
//!
//! Requests that come while the one thread is busy show it: with `load` cores in use a second thread would run
//! `load / (1 + load)` of the work (Erlang's loss formula for one server). A process that has used a single thread because
//! nothing came at the same time has not shown anything.

use base::Nanos;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// What was seen so long ago counts half, seconds.
const HALF_S: f64 = 60.0;
/// Before so many seconds were seen, nothing is said.
const LEAST_S: f64 = 25.0;
/// Cores in use below which requests hardly meet.
const LEAST_LOAD: f64 = 0.1;
/// Of the work that a second thread would have, others have at most so much: serial; and at least so much: not.
const SERIAL: f64 = 0.25;
const SHARED: f64 = 0.5;

/// A thread of a process.
pub type ThreadOf = (u32, u32);

/// What the threads of one instance ran lately.
#[derive(Clone, Debug, Default)]
pub struct Serial {
    at: Option<Nanos>,
    seconds: f64,
    ran: f64,
    threads: BTreeMap<ThreadOf, f64>,
    /// As far as it was shown; kept while too little runs to tell.
    one: Option<f64>,
}

impl Serial {
    /// Takes the cores in use since the last time, and what each thread that is still there ran of it, seconds.
    pub fn see(&mut self, now: Nanos, busy: f64, threads: &[(ThreadOf, f64)]) {
        let Some(last) = self.at.replace(now) else {
            return;
        };
        let elapsed = now.since(last).as_secs_f64();
        let fade = (-elapsed * LN_2 / HALF_S).exp();
        self.seconds = self.seconds * fade + elapsed;
        self.ran = self.ran * fade + busy * elapsed;
        let before = std::mem::take(&mut self.threads);
        let lately = |t: &ThreadOf| before.get(t).copied().unwrap_or_default() * fade;
        self.threads = threads.iter().map(|(t, s)| (*t, lately(t) + s)).collect();
        self.decide();
    }

    fn decide(&mut self) {
        let load = self.ran / self.seconds.max(1e-9);
        if self.seconds < LEAST_S || load < LEAST_LOAD {
            return;
        }
        let most = self.threads.values().copied().fold(0.0, f64::max);
        let share = (most / self.ran).min(1.0);
        let others = (1.0 - share) / (load / (1.0 + load));
        match others {
            ..=SERIAL => self.one = Some(share),
            SHARED.. => self.one = None,
            _ => {}
        }
    }

    /// Cores that are in use when its one thread runs all the time; `None`: several do the work, or nobody knows.
    pub fn cores(&self) -> Option<f64> {
        self.one.map(|share| 1.0 / share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many seconds in each of which the threads run so long.
    fn after(seconds: u32, threads: &[f64]) -> Option<f64> {
        let mut s = Serial::default();
        run(&mut s, 0, seconds, threads);
        s.cores()
    }

    fn run(s: &mut Serial, from: u32, seconds: u32, threads: &[f64]) {
        let each: Vec<_> = (1..).zip(threads).map(|(tid, s)| ((7, tid), *s)).collect();
        for i in from..=from + seconds {
            s.see(Nanos::from_secs_f64(i.into()), threads.iter().sum(), &each);
        }
    }

    #[test]
    fn one_thread_that_does_it_all_is_seen_once_requests_must_have_met() {
        let cores = after(60, &[0.29, 0.006, 0.004]).unwrap();
        assert!((cores - 0.3 / 0.29).abs() < 1e-9, "{cores}");
        assert_eq!(after(10, &[0.3]), None, "too early");
        assert_eq!(after(600, &[0.05]), None, "nothing came at the same time");
        assert_eq!(after(60, &[0.15, 0.15]), None);
        // What two threads do that are asked by one connection mostly: Erlang's formula, exactly.
        assert_eq!(after(60, &[0.3 / 1.3, 0.3 * 0.3 / 1.3]), None);
    }

    #[test]
    fn it_is_remembered_over_a_quiet_night_and_forgotten_when_others_work() {
        let mut s = Serial::default();
        run(&mut s, 0, 60, &[0.4]);
        run(&mut s, 61, 3600, &[0.001]);
        assert_eq!(s.cores(), Some(1.0));
        run(&mut s, 3662, 120, &[0.4, 0.3]);
        assert_eq!(s.cores(), None);
    }
}
