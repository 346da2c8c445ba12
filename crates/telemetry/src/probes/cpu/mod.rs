//! CPU of each instance: the run time of its threads from `schedstat`, exact to the nanosecond, its children
//! included. Resource `cpu.<service>`; waiting is the time that runnable threads waited for a core.

mod serial;
mod usage;

use super::{Probe, Proc, Reading, procfs};
use base::InstanceIx;
use serial::{Serial, ThreadOf};
use std::collections::BTreeMap;
pub use usage::{Spent, Usage, parse_schedstat};

/// Threads read one by one per process; beyond it only the process's total is used.
pub const THREADS: usize = 512;
/// A thread this busy is a serial section.
const HOT: f64 = 0.9;

pub struct Cpu {
    proc: Proc,
    usage: BTreeMap<(InstanceIx, u32), Usage>,
    serial: BTreeMap<InstanceIx, Serial>,
}

impl Cpu {
    pub fn new(proc: Proc) -> Cpu {
        Cpu {
            proc,
            usage: BTreeMap::new(),
            serial: BTreeMap::new(),
        }
    }
}

/// A thread's number, and the seconds it has run and waited for a core.
pub type Thread = (u32, f64, f64);

/// One process: its total in seconds, and its threads.
pub fn read_process(proc: &Proc, pid: u32) -> Option<(f64, Vec<Thread>)> {
    let total = usage::parse_total(&proc.read(&format!("{pid}/stat"))?)?;
    let tids = proc.numbers(&format!("{pid}/task"), THREADS + 1);
    let threads = if tids.len() > THREADS {
        Vec::new()
    } else {
        tids.into_iter()
            .filter_map(|tid| {
                let (run, wait) =
                    parse_schedstat(&proc.read(&format!("{pid}/task/{tid}/schedstat"))?)?;
                Some((tid, run, wait))
            })
            .collect()
    };
    Some((total, threads))
}

/// Cores that a process may use: the machine's, its affinity, its group's quota.
fn capacity(cores: f64, status: Option<&str>, quota: Option<f64>) -> f64 {
    let allowed = status
        .and_then(|s| procfs::field(s, "Cpus_allowed_list"))
        .and_then(procfs::list_len)
        .map_or(cores, f64::from);
    cores.min(allowed).min(quota.unwrap_or(f64::INFINITY))
}

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let (now, targets) = (r.now, r.targets);
        let mut seen = Vec::new();
        for t in &targets.instances {
            let Some(found) = r.found.get(&t.instance).cloned() else {
                continue;
            };
            let mut sum: Option<Spent> = None;
            let mut readable = false;
            let mut ran: Vec<(ThreadOf, f64)> = Vec::new();
            for &pid in &found.pids {
                let Some((total, threads)) = read_process(&self.proc, pid) else {
                    continue;
                };
                readable = true;
                seen.push((t.instance, pid));
                let usage = self.usage.entry((t.instance, pid)).or_default();
                if let Some(s) = usage.read(now, total, &threads) {
                    let all = sum.get_or_insert_with(Spent::default);
                    all.busy += s.busy;
                    all.waiting += s.waiting;
                    all.hottest = all.hottest.max(s.hottest);
                    ran.extend(s.ran.iter().map(|(tid, s)| ((pid, *tid), *s)));
                }
            }
            let root = found.pids.first().copied().unwrap_or(0);
            if !readable {
                r.blind(
                    "cpu",
                    t.address.to_string(),
                    format!("process {root} cannot be read"),
                );
                continue;
            }
            let Some(s) = sum else { continue };
            let status = self.proc.read(&format!("{root}/status"));
            let mut capacity = capacity(self.proc.cores, status.as_deref(), found.quota);
            let serial = self.serial.entry(t.instance).or_default();
            serial.see(now, s.busy, &ran);
            let one = serial.cores();
            if let Some(cores) = one.filter(|c| *c < 0.9 * capacity) {
                r.note(
                    "cpu",
                    t.address.to_string(),
                    format!(
                        "all that it does runs on one thread, so that it can use {cores:.2} of {capacity:.1} cores"
                    ),
                );
                capacity = cores;
            }
            if s.hottest > HOT && s.busy < 0.9 * capacity {
                r.note(
                    "cpu",
                    t.address.to_string(),
                    format!(
                        "one thread is {:.0} % busy while the process uses {:.2} of {capacity:.1} cores: the work is serial",
                        s.hottest * 100.0,
                        s.busy
                    ),
                );
            }
            if let Some(f) = r.found.get_mut(&t.instance) {
                f.cpu = Some(s.busy);
            }
            let name = format!("cpu.{}", t.service);
            if let Some(c) = r.cell(&name, t.instance, s.busy, Some(capacity)) {
                // Only this instance's own processes are counted, so nothing foreign is in it.
                c.background = Some(0.0);
                c.waiting = (!ran.is_empty()).then_some(s.waiting);
                let resource = c.resource;
                if one.is_some() {
                    r.serial.insert(resource);
                }
            }
        }
        self.usage.retain(|k, _| seen.contains(k));
        self.serial
            .retain(|i, _| seen.iter().any(|(instance, _)| instance == i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Found;
    use crate::probes::procfs::fake::{Fake, shop};
    use base::{Names, Nanos};

    #[test]
    fn capacity_is_the_tightest_of_three() {
        let status = "Name:\tx\nCpus_allowed_list:\t0-1\n";
        assert_eq!(capacity(8.0, Some(status), None), 2.0);
        assert_eq!(capacity(8.0, Some(status), Some(0.5)), 0.5);
        assert_eq!(capacity(8.0, None, None), 8.0);
    }

    #[test]
    fn a_process_on_one_thread_has_one_core_and_is_said_to() {
        let f = Fake::new();
        let (targets, names) = (shop(), Names::default());
        let mut probe = Cpu::new(f.proc(4.0));
        let mut last = None;
        for s in 0..60u64 {
            f.put(
                "proc/10/stat",
                &format!("10 (x) S 1 1 1 0 -1 0 0 0 0 0 {} 0 0 0", 50 * s),
            );
            f.put(
                "proc/10/task/10/schedstat",
                &format!("{} 0 5", 500_000_000 * s),
            );
            let now = Nanos::from_secs_f64(s as f64);
            let mut r = Reading::new(now, &targets, &names);
            let found = Found {
                pids: vec![10],
                ..Found::default()
            };
            r.found.insert(InstanceIx(0), found);
            probe.read(&mut r);
            last = r.cells.first().map(|c| (c.capacity, r.serial.clone()));
        }
        let (capacity, serial) = last.unwrap();
        assert_eq!(capacity, Some(1.0));
        let named: Vec<_> = serial
            .iter()
            .filter_map(|s| names.resources.name(*s))
            .collect();
        assert_eq!(named.len(), 1);
        assert_eq!(*named[0], *"cpu.shop");
    }

    #[test]
    fn an_instance_is_the_sum_of_its_processes() {
        let f = Fake::new();
        let put = |pid: u32, run_ms: u64, wait_ms: u64| {
            let ticks = run_ms / 10;
            f.put(
                &format!("proc/{pid}/stat"),
                &format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0"),
            );
            f.put(
                &format!("proc/{pid}/task/{pid}/schedstat"),
                &format!("{} {} 5", run_ms * 1_000_000, wait_ms * 1_000_000),
            );
        };
        let targets = shop();
        let names = Names::default();
        let mut probe = Cpu::new(f.proc(2.0));
        let mut read = |at: f64| {
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            r.found.insert(
                InstanceIx(0),
                Found {
                    pids: vec![10, 11],
                    ..Found::default()
                },
            );
            probe.read(&mut r);
            (r.cells, r.notes)
        };
        put(10, 1000, 0);
        put(11, 500, 0);
        assert!(read(1.0).0.is_empty(), "one reading is no rate");
        put(10, 1950, 100);
        put(11, 600, 0);
        let (cells, notes) = read(2.0);
        assert!((cells[0].busy - 1.05).abs() < 1e-9, "{}", cells[0].busy);
        assert_eq!(
            (cells[0].capacity, cells[0].waiting),
            (Some(2.0), Some(0.1))
        );
        assert!(notes[0].text.contains("serial"));
        for pid in [10, 11] {
            f.remove(&format!("proc/{pid}"));
        }
        let (cells, notes) = read(3.0);
        assert!(cells.is_empty() && notes[0].blind);
    }

    #[test]
    fn our_own_process_can_be_read_on_this_machine() {
        let proc = Proc::host();
        let (total, threads) = read_process(&proc, std::process::id()).unwrap();
        assert!(total >= 0.0 && !threads.is_empty());
    }
}
