//! The whole machine's CPU, and how much of it neither the upstreams nor Plimsoll use: the measured background.
//! Resource `cpu.host`; Plimsoll's own share is `cpu.plimsoll`.

use super::cpu::{Usage, read_process};
use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};

const TICKS_PER_S: f64 = 100.0;

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
}

impl Host {
    pub fn new(proc: Proc) -> Host {
        Host {
            proc,
            last: None,
            own: Usage::default(),
        }
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
            .and_then(|(total, threads)| self.own.read(r.now, total, &threads))
            .map(|s| s.busy);
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
        let background = background(busy, &here, own.unwrap_or(0.0));
        if let Some(c) = r.cell("cpu.host", InstanceIx::NONE, busy, Some(cores)) {
            c.background = background;
        }
        if let Some(own) = own {
            // All of it is Plimsoll's own: named, so that nobody takes it for a service's.
            r.cell("cpu.plimsoll", InstanceIx::NONE, own, Some(cores));
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
