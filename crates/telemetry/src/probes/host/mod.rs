//! The whole machine's CPU, and how much of it neither the upstreams nor Plimsoll use: the measured background.
//! Resource `cpu.host`; Plimsoll's own share is `cpu.plimsoll`.

use super::cpu::{Usage, read_process};
use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};
use std::collections::BTreeMap;

const TICKS_PER_S: f64 = 100.0;
/// How threads of Plimsoll are named whose work comes with time more than with requests: learning and the other loops, probes, the console.
const UPKEEP: [&str; 4] = ["loop-", "telemetry", "control", "watchdog"];

/// Cumulative CPU seconds of all cores, from the first line of `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// User, nice, system and interrupts.
    pub busy: f64,
    /// Taken by other guests of the same hardware.
    pub steal: f64,
    pub iowait: f64,
}

pub fn parse(stat: &str) -> Option<Times> {
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let v: Vec<f64> = line
        .split_whitespace()
        .map_while(|f| f.parse().ok())
        .collect();
    let get = |i: usize| v.get(i).copied().unwrap_or(0.0) / TICKS_PER_S;
    (v.len() >= 4).then(|| Times {
        busy: get(0) + get(1) + get(2) + get(5) + get(6),
        steal: get(7),
        iowait: get(4),
    })
}

/// Busy less what is known to be ours, at least 0. `None` when an instance of this machine is not seen: its use
/// would wrongly count as background.
pub fn background(busy: f64, instances: &[Option<f64>], own: f64) -> Option<f64> {
    let known: f64 = instances.iter().copied().sum::<Option<f64>>()?;
    Some((busy - known - own).max(0.0))
}

pub struct Host {
    proc: Proc,
    last: Option<(Nanos, Times)>,
    own: Usage,
    /// By thread of Plimsoll, whether it is upkeep.
    upkeep: BTreeMap<u32, bool>,
}

impl Host {
    pub fn new(proc: Proc) -> Host {
        Host {
            proc,
            last: None,
            own: Usage::default(),
            upkeep: BTreeMap::new(),
        }
    }

    /// Seconds that Plimsoll ran for itself, of those that its threads ran.
    fn upkeep(&mut self, ran: &[(u32, f64)]) -> f64 {
        let us = std::process::id();
        self.upkeep
            .retain(|tid, _| ran.iter().any(|(t, _)| t == tid));
        let proc = &self.proc;
        let is_upkeep = |tid: u32| {
            let name = proc
                .read(&format!("{us}/task/{tid}/comm"))
                .unwrap_or_default();
            UPKEEP.iter().any(|u| name.starts_with(u))
        };
        let of = |(tid, s): &(u32, f64)| {
            let counts = *self.upkeep.entry(*tid).or_insert_with(|| is_upkeep(*tid));
            if counts { *s } else { 0.0 }
        };
        ran.iter().map(of).sum()
    }
}

impl Probe for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let Some(times) = self.proc.read("stat").and_then(|t| parse(&t)) else {
            r.blind(
                "host",
                "",
                "/proc/stat cannot be read: the machine's CPU is not seen",
            );
            return;
        };
        let own = read_process(&self.proc, std::process::id())
            .and_then(|(total, threads)| self.own.read(r.now, total, &threads));
        let Some((then, last)) = self.last.replace((r.now, times)) else {
            return;
        };
        let elapsed = r.now.since(then).as_secs_f64();
        if elapsed <= 0.0 {
            return;
        }
        let rate = |a: f64, b: f64| ((b - a) / elapsed).max(0.0);
        let steal = rate(last.steal, times.steal);
        let busy = rate(last.busy, times.busy) + steal;
        let cores = self.proc.cores;
        // Instances elsewhere use no CPU here.
        let here: Vec<Option<f64>> = r
            .targets
            .instances
            .iter()
            .filter(|t| t.address.is_local() || r.found.contains_key(&t.instance))
            .map(|t| r.found.get(&t.instance).and_then(|f| f.cpu))
            .collect();
        let own = own.map(|s| (s.busy, (self.upkeep(&s.ran) / elapsed).min(s.busy)));
        let (used, upkeep) = own.unwrap_or((0.0, 0.0));
        let background = background(busy, &here, used - upkeep);
        if let Some(c) = r.cell("cpu.host", InstanceIx::NONE, busy, Some(cores)) {
            c.background = background;
        }
        // All of it is Plimsoll's own: named, so that nobody takes it for a service's.
        if own.is_some()
            && let Some(c) = r.cell("cpu.plimsoll", InstanceIx::NONE, used, Some(cores))
        {
            c.background = Some(upkeep);
        }
        if background.is_none() {
            r.note(
                "host",
                "cpu.host",
                "background not measured: an instance on this machine is not seen yet",
            );
        }
        if steal > 0.05 * cores {
            r.note(
                "host",
                "cpu.host",
                format!("{steal:.2} cores are taken by other guests (steal): numbers will wander"),
            );
        }
        let iowait = rate(last.iowait, times.iowait);
        if iowait > 0.2 * cores {
            r.note(
                "host",
                "cpu.host",
                format!("{iowait:.2} cores are idle because work waits for disks"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Targets;
    use crate::probes::procfs::fake::Fake;
    use base::Names;

    #[test]
    fn busy_steal_and_background() {
        let t = parse("cpu  100 25 50 1000 50 0 0 25 0 0\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(
            t,
            Times {
                busy: 1.75,
                steal: 0.25,
                iowait: 0.5
            }
        );
        assert_eq!(parse("intr 1 2"), None);
        assert_eq!(
            background(1.0, &[Some(0.5), Some(0.25)], 0.125),
            Some(0.125)
        );
        assert_eq!(background(0.5, &[Some(0.6)], 0.1), Some(0.0));
        assert_eq!(background(1.0, &[Some(0.5), None], 0.1), None);
    }

    #[test]
    fn what_plimsoll_does_without_a_request_is_background() {
        let f = Fake::new();
        let us = std::process::id();
        let (targets, names) = (Targets::default(), Names::default());
        let mut probe = Host::new(f.proc(2.0));
        let mut read = |at: u64| {
            f.put("proc/stat", &format!("cpu  {} 0 0 0 0 0 0 0\n", 100 * at));
            let ticks = 60 * at;
            f.put(
                &format!("proc/{us}/stat"),
                &format!("{us} (x) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0"),
            );
            for (tid, name, ms) in [
                (1, "traffic-0", 200),
                (2, "loop-observe", 250),
                (3, "telemetry", 150),
            ] {
                f.put(&format!("proc/{us}/task/{tid}/comm"), &format!("{name}\n"));
                let ran = ms * at * 1_000_000;
                f.put(
                    &format!("proc/{us}/task/{tid}/schedstat"),
                    &format!("{ran} 0 5"),
                );
            }
            let mut r = Reading::new(Nanos::from_secs_f64(at as f64), &targets, &names);
            probe.read(&mut r);
            r.cells
        };
        read(1);
        let cells = read(2);
        let of = |c: &base::window::ResourceCell| (c.busy, c.background.unwrap());
        let near =
            |(a, b): (f64, f64), (x, y): (f64, f64)| (a - x).abs() < 1e-9 && (b - y).abs() < 1e-9;
        assert!(near(of(&cells[0]), (1.0, 0.8)), "{cells:?}");
        assert!(near(of(&cells[1]), (0.6, 0.4)), "{cells:?}");
        assert_eq!(probe.upkeep.len(), 3);
    }

    #[test]
    fn the_first_reading_is_only_a_baseline() {
        let f = Fake::new();
        let (targets, names) = (Targets::default(), Names::default());
        let mut probe = Host::new(f.proc(2.0));
        let mut read = |at: f64, user: u32| {
            f.put("proc/stat", &format!("cpu  {user} 0 0 0 0 0 0 0\n"));
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            probe.read(&mut r);
            r.cells
        };
        assert!(read(1.0, 100).is_empty());
        let c = read(3.0, 200);
        assert_eq!(
            (c[0].busy, c[0].capacity, c[0].background),
            (0.5, Some(2.0), Some(0.5))
        );
    }
}
