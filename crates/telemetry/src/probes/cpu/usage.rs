//! CPU seconds of one process from its threads, corrected for threads that ended between two readings.

use crate::probes::procfs;
use base::Nanos;
use std::collections::BTreeMap;

/// The process's total has a resolution of 10 ms; smaller differences are rounding, not lost threads.
const ROUNDING: f64 = 0.02;
const TICKS_PER_S: f64 = 100.0;

/// `(run, run delay)` in seconds from a `schedstat` line.
pub fn parse_schedstat(text: &str) -> Option<(f64, f64)> {
    let mut f = text.split_whitespace();
    let (run, wait): (f64, f64) = (f.next()?.parse().ok()?, f.next()?.parse().ok()?);
    Some((run / 1e9, wait / 1e9))
}

/// User and system time of the whole process, ended threads included, seconds: from `/proc/PID/stat`.
pub fn parse_total(stat: &str) -> Option<f64> {
    let f = procfs::stat_fields(stat);
    let (user, system): (f64, f64) = (f.get(11)?.parse().ok()?, f.get(12)?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

/// What a process spent per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    pub busy: f64,
    /// Runnable threads without a core, on average.
    pub waiting: f64,
    /// Share of the second that the busiest thread ran.
    pub hottest: f64,
    /// Seconds of it that each thread ran, since the last reading; none: they were not read.
    pub ran: Vec<(u32, f64)>,
}

/// Remembers what a process's counters said.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    at: Option<Nanos>,
    /// `None`: there were too many to read.
    threads: Option<BTreeMap<u32, (f64, f64)>>,
    total: f64,
    /// Seconds that the total has and the threads have not told yet.
    owed: f64,
}

impl Usage {
    /// Takes a reading; `None` for the first one. Without threads, now or the last time, only the total counts.
    pub fn read(&mut self, now: Nanos, total: f64, threads: &[(u32, f64, f64)]) -> Option<Spent> {
        let last = self.at.replace(now);
        let grown = total - std::mem::replace(&mut self.total, total);
        let new = threads.iter().map(|(tid, run, wait)| (*tid, (*run, *wait)));
        let new = (!threads.is_empty()).then(|| new.collect());
        let before = std::mem::replace(&mut self.threads, new);
        let elapsed = now.since(last?).as_secs_f64();
        if elapsed <= 0.0 || grown < 0.0 {
            return None;
        }
        let Some(before) = before.filter(|_| !threads.is_empty()) else {
            self.owed = 0.0;
            let busy = grown / elapsed;
            return Some(Spent {
                busy,
                ..Spent::default()
            });
        };
        let mut ran = Vec::with_capacity(threads.len());
        let (mut run, mut wait, mut hottest) = (0.0, 0.0, 0.0f64);
        for &(tid, r, w) in threads {
            // A new thread began at zero since the last reading.
            let (r0, w0) = before.get(&tid).copied().unwrap_or((0.0, 0.0));
            let dr = if r >= r0 { r - r0 } else { r };
            run += dr;
            wait += (w - w0).max(0.0);
            hottest = hottest.max(dr);
            ran.push((tid, dr));
        }
        self.owed += grown - run;
        let lost = if self.owed > ROUNDING { self.owed } else { 0.0 };
        self.owed = (self.owed - lost).max(-ROUNDING);
        Some(Spent {
            busy: (run + lost) / elapsed,
            waiting: wait / elapsed,
            hottest: hottest / elapsed,
            ran,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed() {
        assert_eq!(
            parse_schedstat("1500000000 250000000 7\n"),
            Some((1.5, 0.25))
        );
        assert_eq!(parse_schedstat(""), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 0 1 2 3 4 150 50 0 0 20 0 3 0 1";
        assert_eq!(parse_total(stat), Some(2.0));
    }

    #[test]
    fn what_ended_threads_spent_is_not_lost() {
        let at = Nanos::from_secs_f64;
        let mut u = Usage::default();
        assert_eq!(u.read(at(0.0), 5.0, &[(1, 5.0, 0.0)]), None);
        // Threads 2 and 3 came and went, 0.3 s together.
        let s = u.read(at(1.0), 5.8, &[(1, 5.5, 0.2)]).unwrap();
        assert!((s.busy - 0.8).abs() < 1e-9 && (s.hottest - 0.5).abs() < 1e-9);
        assert!((s.waiting - 0.2).abs() < 1e-9);
        // Ticks lag by 10 ms and catch up: no spending is invented.
        let a = u.read(at(2.0), 6.29, &[(1, 6.0, 0.2)]).unwrap().busy;
        let b = u.read(at(3.0), 6.8, &[(1, 6.5, 0.2)]).unwrap().busy;
        assert!((a - 0.5).abs() < 1e-9 && (b - 0.5).abs() < 1e-9);
        // Too many threads to read: the total alone.
        let c = u.read(at(4.0), 7.8, &[]).unwrap();
        assert!((c.busy - 1.0).abs() < 1e-9 && c.ran.is_empty());
        // And few enough again: what they ran in all their lives is not of this second.
        let d = u.read(at(5.0), 8.3, &[(1, 7.5, 0.2)]).unwrap();
        assert!((d.busy - 0.5).abs() < 1e-9 && d.ran.is_empty(), "{d:?}");
        let e = u.read(at(6.0), 8.8, &[(1, 8.0, 0.3)]).unwrap();
        assert!((e.busy - 0.5).abs() < 1e-9 && (e.waiting - 0.1).abs() < 1e-9);
    }
}
