//! Memory as a level with a cliff: the machine's (`mem.host`) and each instance's (`mem.<service>`), bytes.
//!
//! Capacity: the tightest limit of the instance's control group, both versions, else the machine's memory. The level is what
//! the limited group holds less what can be thrown out at once, else the resident memory of the instance's processes.
//! Beside it pages that are read again (refaults) and faults that wait for a disk, per second. A group that cannot be read is
//! said, and the machine's memory is taken as the limit; counters that go backwards give nothing for that second.

mod group;

use super::counter::Counters;
use super::{Probe, Proc, Reading, procfs};
use base::{InstanceIx, Signal};

/// Major faults per second that mean memory is short.
const FAULTS: f64 = 10.0;

/// A field such as `MemTotal:  8000 kB`, in bytes.
pub fn kilobytes(text: &str, key: &str) -> Option<f64> {
    let v = procfs::field(text, key)?.strip_suffix("kB")?.trim();
    Some(v.parse::<f64>().ok()? * 1024.0)
}

/// Whose counter, and which.
type Key = (InstanceIx, Signal);

pub struct Memory {
    proc: Proc,
    /// Major faults of processes, and counters of groups and of the host.
    faults: Counters<u32>,
    counters: Counters<Key>,
}

/// What an instance's processes hold themselves.
#[derive(Default)]
struct Own {
    rss: Option<f64>,
    /// Per second.
    majors: f64,
}

impl Memory {
    pub fn new(proc: Proc) -> Memory {
        Memory {
            proc,
            faults: Counters::default(),
            counters: Counters::default(),
        }
    }

    fn host(&mut self, r: &mut Reading<'_>) -> Option<f64> {
        let info = self.proc.read("meminfo").unwrap_or_default();
        let of = |key| kilobytes(&info, key);
        let (Some(total), Some(free)) = (of("MemTotal"), of("MemAvailable")) else {
            let text = "/proc/meminfo cannot be read: memory is not seen";
            r.blind("memory", "", text);
            return of("MemTotal");
        };
        if let Some(c) = r.cell("mem.host", InstanceIx::NONE, 0.0, Some(total)) {
            c.level = Some(total - free);
        }
        if free < 0.1 * total {
            let text = format!(
                "only {:.0} % of the memory is available",
                100.0 * free / total
            );
            r.note("memory", "mem.host", text);
        }
        let stat = self.proc.read("vmstat").unwrap_or_default();
        let told = [
            (Signal::Refaults, group::refaults(&stat, "")),
            (Signal::MajorFaults, group::majors(&stat, "")),
        ];
        self.signals(r, "mem.host", InstanceIx::NONE, &told);
        Some(total)
    }

    /// Counters as signals per second.
    fn signals(
        &mut self,
        r: &mut Reading<'_>,
        name: &str,
        i: InstanceIx,
        told: &[(Signal, Option<f64>)],
    ) {
        for (signal, count) in told {
            let rate = count.and_then(|c| self.counters.rate((i, *signal), r.now, c));
            if let Some(rate) = rate {
                r.signal(name, i, *signal, rate);
            }
        }
    }

    fn own(&mut self, now: base::Nanos, pids: &[u32]) -> Own {
        let mut own = Own::default();
        for &pid in pids {
            let status = self.proc.read(&format!("{pid}/status"));
            if let Some(v) = status.and_then(|s| kilobytes(&s, "VmRSS")) {
                *own.rss.get_or_insert(0.0) += v;
            }
            // Field 12 of the line: major faults.
            let stat = self.proc.read(&format!("{pid}/stat"));
            let majors = stat.and_then(|s| procfs::stat_fields(&s).get(9)?.parse::<f64>().ok());
            if let Some(v) = majors {
                own.majors += self.faults.rate(pid, now, v).unwrap_or(0.0);
            }
        }
        own
    }
}

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let total = self.host(r);
        let targets = r.targets;
        for t in &targets.instances {
            let Some(pids) = r.found.get(&t.instance).map(|f| f.pids.clone()) else {
                continue;
            };
            let own = self.own(r.now, &pids);
            let name = format!("mem.{}", t.service);
            let group = match pids.first().map(|p| group::read(&self.proc, *p)) {
                Some(Err(why)) if own.rss.is_some() => {
                    let text = format!("{why}: the machine's memory is taken as its limit");
                    r.blind("memory", t.address.to_string(), text);
                    None
                }
                found => found.and_then(Result::ok).flatten(),
            };
            let limited = group.filter(|g| g.limit.is_some_and(|l| total.is_none_or(|t| l < t)));
            let (level, capacity) = match limited {
                Some(g) => (Some(g.used), g.limit),
                None => (own.rss, total),
            };
            if let Some(level) = level
                && let Some(c) = r.cell(&name, t.instance, 0.0, capacity)
            {
                c.level = Some(level);
            }
            if let Some(g) = group {
                let told = [
                    (Signal::Refaults, g.refaults),
                    (Signal::MajorFaults, g.majors),
                ];
                self.signals(r, &name, t.instance, &told);
            } else if own.rss.is_some() {
                r.signal(&name, t.instance, Signal::MajorFaults, own.majors);
            }
            if own.majors > FAULTS {
                let text = format!(
                    "{:.0} major page faults per second: it waits for pages from disk",
                    own.majors
                );
                r.note("memory", t.address.to_string(), text);
            }
        }
        self.faults.forget_before(r.now);
        self.counters.forget_before(r.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::procfs::fake::Fake;
    use crate::probes::{Found, InstanceTarget, Targets};
    use base::{Names, Nanos};

    #[test]
    fn levels_of_host_and_instance() {
        let f = Fake::new();
        f.put("proc/meminfo", "MemTotal:  1000 kB\nMemAvailable:  50 kB\n");
        f.put("proc/7/status", "Name:\tx\nVmRSS:\t  100 kB\n");
        f.put("proc/7/stat", "7 (x) S 1 1 1 0 -1 0 0 0 5 0 1 1");
        f.put("proc/7/cgroup", "0::/\n");
        let targets = Targets {
            instances: vec![InstanceTarget {
                service: "shop".into(),
                instance: InstanceIx(0),
                address: "127.0.0.1:1".parse().unwrap(),
                pid: None,
            }],
            ..Targets::default()
        };
        let names = Names::default();
        let mut probe = Memory::new(f.proc(1.0));
        let mut read = |at: f64| {
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            r.found.insert(
                InstanceIx(0),
                Found {
                    pids: vec![7],
                    ..Found::default()
                },
            );
            probe.read(&mut r);
            (r.cells, r.notes)
        };
        let (cells, notes) = read(1.0);
        assert_eq!(cells[0].level, Some(950.0 * 1024.0));
        assert_eq!(
            (cells[1].level, cells[1].capacity),
            (Some(102_400.0), Some(1_024_000.0))
        );
        assert!(notes[0].text.contains("5 %"));
        f.put("proc/7/stat", "7 (x) S 1 1 1 0 -1 0 0 0 105 0 1 1");
        assert!(read(2.0).1.iter().any(|n| n.text.contains("100 major")));
    }
    #[test]
    fn a_limit_below_the_machines_memory_counts() {
        let f = Fake::new();
        f.put(
            "proc/meminfo",
            "MemTotal:  1000 kB\nMemAvailable:  500 kB\n",
        );
        f.put("proc/7/status", "VmRSS:\t  100 kB\n");
        f.put("proc/7/stat", "7 (x) S 1 1 1 0 -1 0 0 0 5 0 1 1");
        f.put("proc/7/cgroup", "0::/app\n");
        let put = |name: &str, text: &str| f.put(&format!("sys/fs/cgroup/app/{name}"), text);
        put("memory.max", "204800\n");
        put("memory.current", "153600\n");
        let (targets, names) = (crate::probes::procfs::fake::shop(), Names::default());
        let mut probe = Memory::new(f.proc(1.0));
        let mut read = |at: f64, refaults: u32| {
            let stat =
                format!("inactive_file 51200\nworkingset_refault_file {refaults}\npgmajfault 3\n");
            put("memory.stat", &stat);
            f.put(
                "proc/vmstat",
                &format!("workingset_refault_file {}\n", 2 * refaults),
            );
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            let found = Found {
                pids: vec![7],
                ..Found::default()
            };
            r.found.insert(InstanceIx(0), found);
            probe.read(&mut r);
            let of = |s: &base::SignalCell| (s.instance, s.signal, s.value);
            let signals: Vec<_> = r.signals.iter().map(of).collect();
            (r.cells[1].level, r.cells[1].capacity, signals)
        };
        assert_eq!(read(1.0, 100), (Some(102_400.0), Some(204_800.0), vec![]));
        let told = vec![
            (InstanceIx::NONE, Signal::Refaults, 100.0),
            (InstanceIx(0), Signal::Refaults, 50.0),
            (InstanceIx(0), Signal::MajorFaults, 0.0),
        ];
        assert_eq!(read(2.0, 150).2, told);
        // The group was made anew.
        assert_eq!(read(3.0, 1).2, told[2..]);
    }
}
