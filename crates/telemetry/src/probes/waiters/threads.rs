//! Looks at threads, some at a time: which of them wait at which futex.

use super::Proc;
use base::InstanceIx;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Threads read per tick, all instances together; the next tick goes on with the next ones.
pub const PER_TICK: usize = 64;
const THREADS: usize = 4096;
/// Threads whose file stays open: opening costs three times what reading does.
const OPEN: usize = 256;
/// Bytes of a `syscall` file: nine numbers.
const LINE: usize = 256;

/// The address in a line of `/proc/PID/task/TID/syscall` when the thread is in a futex wait; the outer `None` when
/// the line cannot be understood.
pub fn parse_syscall(line: &str) -> Option<u64> {
    const FUTEX: &str = if cfg!(target_arch = "aarch64") {
        "98"
    } else {
        "202"
    };
    let mut f = line.split_whitespace();
    let hex = |t: &str| u64::from_str_radix(t.strip_prefix("0x")?, 16).ok();
    if f.next()? != FUTEX {
        return None;
    }
    let (address, op) = (hex(f.next()?)?, hex(f.next()?)?);
    // FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2; the higher bits are flags.
    matches!(op & 0x7f, 0 | 6 | 9 | 11 | 13).then_some(address)
}

/// What one tick saw of one instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Waiters by the address of their futex; those read stand for all of the instance's threads.
    pub waiters: BTreeMap<u64, f64>,
    /// None of its threads could be read.
    pub refused: bool,
}

/// The threads of the instances, and where the rotation over all of them stands.
pub struct Threads {
    proc: Proc,
    of: BTreeMap<InstanceIx, Vec<(u32, u32)>>,
    pub(super) open: HashMap<(u32, u32), File>,
    pub next: usize,
}

impl Threads {
    pub fn new(proc: Proc) -> Threads {
        Threads {
            proc,
            of: BTreeMap::new(),
            open: HashMap::new(),
            next: 0,
        }
    }

    /// Forgets instances that are gone.
    pub fn retain(&mut self, keep: impl Fn(InstanceIx) -> bool) {
        self.of.retain(|i, _| keep(*i));
        let listed: BTreeSet<(u32, u32)> = self.of.values().flatten().copied().collect();
        self.open.retain(|thread, _| listed.contains(thread));
    }

    /// Lists an instance's threads anew.
    pub fn list(&mut self, instance: InstanceIx, pids: &[u32]) {
        let threads = pids.iter().flat_map(|&p| {
            let tids = self.proc.numbers(&format!("{p}/task"), THREADS);
            tids.into_iter().map(move |tid| (p, tid))
        });
        let threads = threads.take(THREADS).collect();
        self.of.insert(instance, threads);
    }

    /// The futex a thread waits for; `Err` when we may not see.
    pub(super) fn futex(&mut self, pid: u32, tid: u32) -> Result<Option<u64>, ()> {
        if let Some(line) = self.syscall(pid, tid) {
            return Ok(parse_syscall(&line));
        }
        // Without the address all futexes are one group.
        match self.proc.read(&format!("{pid}/task/{tid}/wchan")) {
            Some(w) if w.contains("futex") => Ok(Some(0)),
            Some(w) if !w.is_empty() && w != "0" => Ok(None),
            _ => Err(()),
        }
    }

    fn syscall(&mut self, pid: u32, tid: u32) -> Option<String> {
        // The file of a thread that has ended gives an error, also when its number is used again.
        let kept = self.open.get(&(pid, tid)).and_then(line);
        if kept.is_some() {
            return kept;
        }
        self.open.remove(&(pid, tid));
        let path = format!("{pid}/task/{tid}/syscall");
        let file = File::open(self.proc.proc.join(path)).ok()?;
        let read = line(&file)?;
        if self.open.len() < OPEN {
            self.open.insert((pid, tid), file);
        }
        Some(read)
    }

    /// One tick: reads the next threads in turn.
    pub fn look(&mut self) -> BTreeMap<InstanceIx, Look> {
        let all: Vec<(InstanceIx, u32, u32)> = self
            .of
            .iter()
            .flat_map(|(i, w)| w.iter().map(|&(p, t)| (*i, p, t)))
            .collect();
        if all.is_empty() {
            return BTreeMap::new();
        }
        let n = all.len().min(PER_TICK);
        let mut read: BTreeMap<InstanceIx, (usize, Look)> = BTreeMap::new();
        for k in 0..n {
            let (i, pid, tid) = all[(self.next + k) % all.len()];
            let (seen, look) = read.entry(i).or_default();
            match self.futex(pid, tid) {
                Ok(address) => {
                    *seen += 1;
                    if let Some(a) = address {
                        *look.waiters.entry(a).or_default() += 1.0;
                    }
                }
                Err(()) => look.refused = true,
            }
        }
        self.next = (self.next + n) % all.len();
        let of = &self.of;
        let whole = |(i, (seen, mut look)): (InstanceIx, (usize, Look))| {
            look.refused &= seen == 0;
            let scale = of[&i].len() as f64 / seen.max(1) as f64;
            look.waiters.values_mut().for_each(|c| *c *= scale);
            (i, look)
        };
        read.into_iter().map(whole).collect()
    }
}

fn line(file: &File) -> Option<String> {
    let mut bytes = [0; LINE];
    let n = file.read_at(&mut bytes, 0).ok()?;
    Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
}
