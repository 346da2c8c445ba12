//! Memory as a level with a cliff: the machine's (`mem.host`) and each instance's (`mem.<service>`), bytes.

use super::counter::Counters;
use super::{Probe, Proc, Reading, procfs};
use base::InstanceIx;

/// Major faults per second that mean memory is short.
const FAULTS: f64 = 10.0;

/// A field such as `MemTotal:  8000 kB`, in bytes.
pub fn kilobytes(text: &str, key: &str) -> Option<f64> {
    let v = procfs::field(text, key)?.strip_suffix("kB")?.trim();
    Some(v.parse::<f64>().ok()? * 1024.0)
}

pub struct Memory {
    proc: Proc,
    faults: Counters<u32>,
}

impl Memory {
    pub fn new(proc: Proc) -> Memory {
        Memory {
            proc,
            faults: Counters::default(),
        }
    }
}

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let info = self.proc.read("meminfo").unwrap_or_default();
        let (total, free) = (
            kilobytes(&info, "MemTotal"),
            kilobytes(&info, "MemAvailable"),
        );
        match (total, free) {
            (Some(total), Some(free)) => {
                if let Some(c) = r.cell("mem.host", InstanceIx::NONE, 0.0, Some(total)) {
                    c.level = Some(total - free);
                }
                if free < 0.1 * total {
                    r.note(
                        "memory",
                        "mem.host",
                        format!(
                            "only {:.0} % of the memory is available",
                            100.0 * free / total
                        ),
                    );
                }
            }
            _ => r.blind(
                "memory",
                "",
                "/proc/meminfo cannot be read: memory is not seen",
            ),
        }
        let targets = r.targets;
        for t in &targets.instances {
            let Some(found) = r.found.get(&t.instance).cloned() else {
                continue;
            };
            let (mut rss, mut faults) = (None, 0.0);
            for pid in found.pids {
                if let Some(v) = self
                    .proc
                    .read(&format!("{pid}/status"))
                    .and_then(|s| kilobytes(&s, "VmRSS"))
                {
                    *rss.get_or_insert(0.0) += v;
                }
                // Field 12 of the line: major faults.
                let majors = self.proc.read(&format!("{pid}/stat")).and_then(|s| {
                    procfs::stat_fields(&s)
                        .get(9)
                        .and_then(|v| v.parse::<f64>().ok())
                });
                if let Some(v) = majors {
                    faults += self.faults.rate(pid, r.now, v).unwrap_or(0.0);
                }
            }
            if let Some(rss) = rss
                && let Some(c) = r.cell(&format!("mem.{}", t.service), t.instance, 0.0, total)
            {
                c.level = Some(rss);
            }
            if faults > FAULTS {
                r.note(
                    "memory",
                    t.address.to_string(),
                    format!(
                        "{faults:.0} major page faults per second: it waits for pages from disk"
                    ),
                );
            }
        }
        self.faults.forget_before(r.now);
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
}
