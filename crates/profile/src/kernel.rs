//! Samples of the threads of processes by `perf_event_open(2)`: where each is, some hundred times for each second that it runs.
//! Time in the kernel is seen where that is allowed. Stacks are those that frame pointers tell.

use perf_event::data::Record;
use perf_event::events::Software;
use perf_event::{Builder, Clock, SampleFlag, Sampler};
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::time::Duration;

/// Samples for each second that a thread runs. No multiple of what timers commonly have, so that nothing goes in step with it.
pub const RATE: u64 = 499;
/// Threads that are looked at, each with a file and five pages of its own; more are counted.
const THREADS: usize = 256;
/// Of one thread's samples, bytes. They are taken out each `PAUSE`: ten samples of the deepest stack take a third of it.
const BUFFER: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(20);
/// New threads are looked for each so many pauses.
const LOOK: u32 = 10;
/// Frames of a stack.
const DEPTH: u16 = 64;
/// Of one profile, which ends with the last of them: ten minutes of a core.
pub const SAMPLES: usize = 300_000;
/// What is more is counted as lost.
const STACKS: usize = 1 << 16;
/// Addresses from here on are marks of the kernel in a stack (`PERF_CONTEXT_MAX`).
const MARKS: u64 = u64::MAX - 4094;
/// Which part of a record's flags tells whose code it was, and what it says of the kernel's.
const MODE: u16 = 7;
const MODE_KERNEL: u16 = 1;

/// One look at a thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub at: u64,
    /// Number in [`Taken::stacks`].
    pub stack: u32,
}

/// Where a thread was: its own addresses, the innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    pub pid: u32,
    /// The kernel worked for it.
    pub in_kernel: bool,
    pub frames: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Taken {
    pub samples: Vec<Sample>,
    pub stacks: Vec<Stack>,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub from: u64,
    pub to: u64,
    pub threads: usize,
    /// Threads that were not looked at.
    pub left_out: usize,
    /// Samples that the kernel or we had no room for.
    pub lost: u64,
    /// Whether time in the kernel could be seen.
    pub kernel: bool,
}

impl Taken {
    pub fn seconds(&self) -> f64 {
        self.to.saturating_sub(self.from) as f64 / 1e9
    }

    /// What lies in this time, too.
    pub fn within(mut self, from: u64, to: u64) -> Taken {
        self.from = self.from.max(from);
        self.to = self.to.min(to).max(self.from);
        let time = self.from..self.to;
        self.samples.retain(|s| time.contains(&s.at));
        self
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the kernel does not let this user look at process {pid}: {why}")]
    Rights { pid: u32, why: io::Error },
    #[error("the kernel takes no samples: {0}")]
    Unsupported(io::Error),
    #[error("none of the processes is there any more")]
    Gone,
}

/// Now, in nanoseconds of `CLOCK_MONOTONIC`: the clock that all processes of a machine share.
pub fn now() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    (t.tv_sec as u64).saturating_mul(1_000_000_000) + t.tv_nsec as u64
}

/// Looks at these processes for so long, or until `stop` says so; it is asked some ten times a second.
pub fn take(
    pids: &[u32],
    length: Duration,
    mut stop: impl FnMut() -> bool,
) -> Result<Taken, Refused> {
    let mut watch = Watch::new(pids)?;
    let until = watch.taken.from.saturating_add(length.as_nanos() as u64);
    let mut turn = 0;
    let full = |taken: &Taken| taken.samples.len() >= SAMPLES;
    while now() < until && !full(&watch.taken) && !(turn % (LOOK / 2) == 0 && stop()) {
        std::thread::sleep(PAUSE);
        watch.drain();
        turn += 1;
        if turn % LOOK == 0 {
            watch.look()?;
        }
    }
    Ok(watch.end())
}

struct Watch<'a> {
    pids: &'a [u32],
    threads: BTreeMap<(u32, u32), Sampler>,
    /// Could not be opened, and are not tried again.
    refused: BTreeSet<u32>,
    known: HashMap<Stack, u32>,
    taken: Taken,
}

impl<'a> Watch<'a> {
    fn new(pids: &'a [u32]) -> Result<Watch<'a>, Refused> {
        let mut watch = Watch {
            pids,
            threads: BTreeMap::new(),
            refused: BTreeSet::new(),
            known: HashMap::new(),
            taken: Taken {
                from: now(),
                kernel: true,
                ..Taken::default()
            },
        };
        watch.look()?;
        match watch.threads.is_empty() {
            true => Err(Refused::Gone),
            false => Ok(watch),
        }
    }

    /// Closes the threads that have ended, and opens those that are not open yet.
    fn look(&mut self) -> Result<(), Refused> {
        let of = |&pid: &u32| threads(pid).into_iter().map(move |tid| (pid, tid));
        let there: BTreeSet<(u32, u32)> = self.pids.iter().flat_map(of).collect();
        self.drain();
        self.threads.retain(|thread, _| there.contains(thread));
        let mut left_out = 0;
        for (pid, tid) in there {
            if self.threads.contains_key(&(pid, tid)) {
                continue;
            }
            if self.refused.contains(&tid) || self.threads.len() >= THREADS {
                left_out += 1;
            } else {
                self.open(pid, tid)?;
            }
        }
        self.taken.left_out = self.taken.left_out.max(left_out);
        Ok(())
    }

    fn open(&mut self, pid: u32, tid: u32) -> Result<(), Refused> {
        let mut opened = sampler(tid, self.taken.kernel);
        let forbidden = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
        if self.taken.kernel && opened.as_ref().is_err_and(forbidden) {
            opened = sampler(tid, false);
            // Only if that was the reason.
            self.taken.kernel = opened.is_err();
        }
        match opened {
            Ok(s) => {
                self.threads.insert((pid, tid), s);
                self.taken.threads += 1;
            }
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            // Room for buffers and files runs out at some number of threads: those that are open go on.
            Err(_) if !self.threads.is_empty() => {
                self.refused.insert(tid);
            }
            Err(why) if forbidden(&why) => return Err(Refused::Rights { pid, why }),
            Err(e) => return Err(Refused::Unsupported(e)),
        }
        Ok(())
    }

    fn drain(&mut self) {
        for ((pid, _), sampler) in &mut self.threads {
            while let Some(record) = sampler.next_record() {
                let in_kernel = record.misc() & MODE == MODE_KERNEL;
                match record.parse_record() {
                    Ok(Record::Sample(s)) => {
                        let stack = Stack {
                            pid: *pid,
                            in_kernel,
                            frames: frames(s.callchain(), s.ip(), in_kernel),
                        };
                        keep(&mut self.taken, &mut self.known, s.time(), stack);
                    }
                    Ok(Record::Lost(l)) => self.taken.lost += l.lost,
                    Ok(_) => {}
                    Err(_) => self.taken.lost += 1,
                }
            }
        }
    }

    fn end(mut self) -> Taken {
        self.taken.to = now();
        self.drain();
        let Taken { from, to, .. } = self.taken;
        self.taken.within(from, to)
    }
}

fn keep(taken: &mut Taken, known: &mut HashMap<Stack, u32>, at: Option<u64>, stack: Stack) {
    let number = match known.get(&stack) {
        Some(n) => Some(*n),
        None if taken.stacks.len() < STACKS => {
            let n = taken.stacks.len() as u32;
            taken.stacks.push(stack.clone());
            known.insert(stack, n);
            Some(n)
        }
        None => None,
    };
    match (at, number) {
        (Some(at), Some(stack)) if taken.samples.len() < SAMPLES => {
            taken.samples.push(Sample { at, stack });
        }
        _ => taken.lost += 1,
    }
}

/// The thread's own addresses in a stack as the kernel writes it, marks between the parts included.
fn frames(chain: Option<&[u64]>, at: Option<u64>, in_kernel: bool) -> Vec<u64> {
    let own = |a: &u64| *a < MARKS && *a != 0;
    let chain: Vec<u64> = chain
        .unwrap_or_default()
        .iter()
        .copied()
        .filter(own)
        .collect();
    match at {
        Some(at) if chain.is_empty() && !in_kernel => vec![at],
        _ => chain,
    }
}

fn threads(pid: u32) -> Vec<u32> {
    let number = |e: io::Result<fs::DirEntry>| e.ok()?.file_name().to_str()?.parse().ok();
    let all = fs::read_dir(format!("/proc/{pid}/task"));
    all.map_or_else(|_| Vec::new(), |all| all.filter_map(number).collect())
}

fn sampler(tid: u32, kernel: bool) -> io::Result<Sampler> {
    let tid = i32::try_from(tid).map_err(io::Error::other)?;
    let wanted = SampleFlag::IP | SampleFlag::TIME | SampleFlag::CALLCHAIN;
    Builder::new(Software::CPU_CLOCK)
        .observe_pid(tid)
        .any_cpu()
        .sample_frequency(RATE)
        .sample(wanted)
        .sample_max_stack(DEPTH)
        .clockid(Clock::MONOTONIC)
        .exclude_kernel(!kernel)
        .exclude_callchain_kernel(true)
        .enabled(true)
        .build()?
        .sampled(BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_no_addresses() {
        let user = u64::MAX - 511;
        assert_eq!(frames(Some(&[user, 7, 9, 0]), Some(5), false), [7, 9]);
        assert_eq!(frames(Some(&[user]), Some(5), false), [5]);
        assert_eq!(frames(None, Some(5), true), [0u64; 0]);
    }

    #[test]
    fn what_is_more_than_there_is_room_for_is_counted() {
        let (mut taken, mut known) = (Taken::default(), HashMap::new());
        let stack = |n: u64| Stack {
            pid: 1,
            in_kernel: false,
            frames: vec![n],
        };
        for n in 0..STACKS as u64 + 5 {
            keep(&mut taken, &mut known, Some(n), stack(n));
        }
        keep(&mut taken, &mut known, Some(9), stack(3));
        assert_eq!((taken.stacks.len(), taken.lost), (STACKS, 5));
        assert_eq!(taken.samples.last(), Some(&Sample { at: 9, stack: 3 }));
        keep(&mut taken, &mut known, None, stack(3));
        assert_eq!(taken.lost, 6, "one without its time");
        taken.to = 8;
        let part = taken.within(3, 5);
        assert_eq!((part.from, part.to, part.samples.len()), (3, 5, 2));
    }

    #[test]
    fn a_process_that_is_gone_is_said_to_be() {
        let gone = take(&[u32::MAX >> 2], Duration::from_secs(1), || false);
        assert!(matches!(gone, Err(Refused::Gone)), "{gone:?}");
    }
}
