//! Pressure (PSI): how long something waited for processors, memory or disks. Of the host from `/proc/pressure`, of each
//! instance from its control group of version 2. A share of time on the resources that others report: `cpu.host`,
//! `cpu.<service>`, `mem.*`, `disk.host.*` and `disk.<service>`.
//!
//! Capacity: 1, all of the time. Blind where the kernel has no PSI (`CONFIG_PSI`, `psi=0`) and in groups of version 1, which
//! have none; a counter that goes backwards gives nothing for that second.

use super::counter::Counters;
use super::{Probe, Proc, Reading, cgroup};
use base::{InstanceIx, Signal};

/// What is waited for, and the beginning of the resources that it is a sign of.
const KINDS: [(&str, &str); 3] = [("cpu", "cpu"), ("memory", "mem"), ("io", "disk")];

/// Cumulative seconds in which something, and everything, waited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waited {
    pub some: f64,
    /// Not told of the host's processors before Linux 5.13, and always 0 there since.
    pub full: Option<f64>,
}

/// `some avg10=0.23 avg60=1.38 avg300=2.95 total=5993482771`, microseconds.
pub fn parse(text: &str) -> Option<Waited> {
    let of = |kind: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(kind))?;
        let total = line
            .split_whitespace()
            .find_map(|f| f.strip_prefix("total="))?;
        Some(total.parse::<f64>().ok()? / 1e6)
    };
    Some(Waited {
        some: of("some ")?,
        full: of("full "),
    })
}

/// Whose pressure, of which kind; and whether `full`.
type Key = (InstanceIx, usize, bool);

pub struct Pressure {
    proc: Proc,
    counters: Counters<Key>,
}

impl Pressure {
    pub fn new(proc: Proc) -> Pressure {
        Pressure {
            proc,
            counters: Counters::default(),
        }
    }

    /// Shares of the time since the last reading.
    fn shares(
        &mut self,
        r: &Reading<'_>,
        i: InstanceIx,
        kind: usize,
        w: Waited,
    ) -> Vec<(Signal, f64)> {
        let mut rate = |full, v| self.counters.rate((i, kind, full), r.now, v);
        let some = rate(false, w.some).map(|v| (Signal::Pressure, v));
        let full = w.full.and_then(|v| rate(true, v));
        let full = full.filter(|_| kind != 0).map(|v| (Signal::Stalled, v));
        let shares = some.into_iter().chain(full);
        shares.map(|(s, v)| (s, v.min(1.0))).collect()
    }

    fn host(&mut self, r: &mut Reading<'_>) {
        let mut blind = Vec::new();
        for (kind, (file, class)) in KINDS.iter().enumerate() {
            let path = format!("pressure/{file}");
            let Some(w) = self.proc.read(&path).and_then(|t| parse(&t)) else {
                blind.push(*file);
                continue;
            };
            let shares = self.shares(r, InstanceIx::NONE, kind, w);
            let prefix = format!("{class}.host");
            for name in told(r, InstanceIx::NONE, &prefix) {
                for (signal, v) in &shares {
                    r.signal(&name, InstanceIx::NONE, *signal, *v);
                }
            }
        }
        if !blind.is_empty() {
            let text = format!(
                "/proc/pressure/{} cannot be read: the kernel was built without PSI or started with psi=0; that work waits is not seen",
                blind.join(", ")
            );
            r.blind("pressure", "", text);
        }
    }

    fn instances(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        for t in &targets.instances {
            let found = r.found.get(&t.instance);
            let Some(pid) = found.and_then(|f| f.pids.first().copied()) else {
                continue;
            };
            let text = self.proc.read(&format!("{pid}/cgroup")).unwrap_or_default();
            // In the root group it is the host's.
            let Some(path) = cgroup::unified(&text).filter(|p| !p.is_empty()) else {
                if cgroup::unified(&text).is_none() {
                    let text = "its control group is of version 1, which has no pressure";
                    r.blind("pressure", t.address.to_string(), text);
                }
                continue;
            };
            let mut any = false;
            for (kind, (file, class)) in KINDS.iter().enumerate() {
                let folders = ["", "unified/"];
                let text =
                    cgroup::read_any(&self.proc, &folders, &path, &format!("{file}.pressure"));
                let Some(w) = text.and_then(|t| parse(&t)) else {
                    continue;
                };
                any = true;
                let name = format!("{class}.{}", t.service);
                let there = !told(r, t.instance, &name).is_empty();
                for (signal, v) in self.shares(r, t.instance, kind, w) {
                    if there {
                        r.signal(&name, t.instance, signal, v);
                    }
                }
            }
            if !any {
                let text = format!(
                    "/{path}/*.pressure cannot be read: PSI is off there (cgroup.pressure) or forbidden"
                );
                r.blind("pressure", t.address.to_string(), text);
            }
        }
    }
}

/// Resources reported in this second whose name is `name` or lies below it.
fn told(r: &Reading<'_>, instance: InstanceIx, name: &str) -> Vec<String> {
    let cells = r.cells.iter().filter(|c| c.instance == instance);
    let names = cells.filter_map(|c| r.names.resources.name(c.resource));
    let below = |n: &str| {
        n.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    names.filter(|n| below(n)).map(|n| n.to_string()).collect()
}

impl Probe for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        self.host(r);
        self.instances(r);
        self.counters.forget_before(r.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::procfs::fake::{Fake, shop};
    use crate::probes::{Found, ProbeNote};
    use base::{Names, Nanos};

    const RECORDED: &str = "some avg10=0.83 avg60=3.80 avg300=2.49 total=373291212\n\
                            full avg10=0.68 avg60=3.15 avg300=2.04 total=235995779\n";

    /// Signals by resource, of a host and an instance that others report.
    fn read(probe: &mut Pressure, at: f64) -> (Vec<(String, Signal, f64)>, Vec<ProbeNote>) {
        let (targets, names) = (shop(), Names::default());
        let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
        let found = Found {
            pids: vec![7],
            ..Found::default()
        };
        r.found.insert(InstanceIx(0), found);
        for host in ["cpu.host", "cpu.hosting", "mem.host", "disk.host.vda"] {
            r.cell(host, InstanceIx::NONE, 0.0, None);
        }
        r.cell("cpu.shop", InstanceIx(0), 0.0, None);
        probe.read(&mut r);
        let name = |s: &base::SignalCell| names.resources.name(s.resource).unwrap().to_string();
        let of = r.signals.iter().map(|s| (name(s), s.signal, s.value));
        (of.collect(), r.notes)
    }

    #[test]
    fn totals_are_seconds() {
        let w = parse(RECORDED).unwrap();
        assert_eq!((w.some, w.full), (373.291212, Some(235.995779)));
        assert_eq!(parse("some avg10=0.00 total=5\n").unwrap().full, None);
        assert_eq!((parse(""), parse("some total=x")), (None, None));
    }

    #[test]
    fn the_host_and_a_group_tell_of_what_is_reported() {
        let f = Fake::new();
        let put = |path: &str, some: u32, full: u32| {
            let line =
                |k: &str, v: u32| format!("{k} avg10=0.00 avg60=0.00 avg300=0.00 total={v}\n");
            f.put(
                path,
                &format!("{}{}", line("some", some), line("full", full)),
            );
        };
        let all = |at: u32| {
            for kind in ["cpu", "memory", "io"] {
                put(&format!("proc/pressure/{kind}"), 250_000 * at, 125_000 * at);
                put(
                    &format!("sys/fs/cgroup/app/{kind}.pressure"),
                    500_000 * at,
                    0,
                );
            }
        };
        f.put("proc/7/cgroup", "0::/app\n");
        let mut probe = Pressure::new(f.proc(1.0));
        all(1);
        assert_eq!(read(&mut probe, 1.0).0, [], "one reading is no share");
        all(2);
        let (told, notes) = read(&mut probe, 2.0);
        let of = |r: &str, s: Signal| told.iter().find(|t| t.0 == r && t.1 == s).map(|t| t.2);
        assert_eq!(of("cpu.host", Signal::Pressure), Some(0.25));
        assert_eq!(
            of("cpu.host", Signal::Stalled),
            None,
            "processors always run something"
        );
        assert_eq!(of("disk.host.vda", Signal::Stalled), Some(0.125));
        assert_eq!(of("mem.host", Signal::Pressure), Some(0.25));
        assert_eq!(of("cpu.shop", Signal::Pressure), Some(0.5));
        assert_eq!(of("cpu.hosting", Signal::Pressure), None);
        assert!(notes.is_empty(), "{notes:?}");
        all(1);
        assert_eq!(read(&mut probe, 3.0).0, [], "counters went backwards");
    }

    #[test]
    fn where_there_is_no_pressure_it_is_said_and_nothing_reported() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "4:cpu,cpuacct:/app\n");
        let mut probe = Pressure::new(f.proc(1.0));
        let (told, notes) = read(&mut probe, 1.0);
        assert!(told.is_empty() && notes.iter().all(|n| n.blind));
        assert!(notes[0].text.contains("cpu, memory, io"), "{notes:?}");
        assert!(notes[1].text.contains("version 1"), "{notes:?}");
        f.put("proc/7/cgroup", "0::/app\n");
        assert!(read(&mut probe, 2.0).1[1].text.contains("/app/*.pressure"));
        // In the root group there is nothing of its own, and nothing to complain about.
        f.put("proc/7/cgroup", "1:cpu:/\n0::/\n");
        assert_eq!(read(&mut probe, 3.0).1.len(), 1);
    }

    #[test]
    fn this_machine_tells_where_it_can() {
        let here = Proc::host().read("pressure/cpu");
        assert!(here.is_none_or(|t| parse(&t).is_some()));
    }
}
