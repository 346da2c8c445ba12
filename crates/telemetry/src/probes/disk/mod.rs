//! Busy time of real disks from `/proc/diskstats`. Resource `disk.host.<device>`: 1 when always busy.
//! Devices that serve many requests at once (SSDs) can be busy all the time and yet take more: an upper bound.

use super::counter::Counters;
use super::{Probe, Proc, Reading};
use base::InstanceIx;

const DEVICES: usize = 64;

/// Cumulative seconds of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub name: String,
    /// With at least one request under way.
    pub busy: f64,
    /// Requests under way, summed over time.
    pub queued: f64,
}

/// Whole devices that have done anything; no partitions, loops, memory disks or stacked devices (those would count twice).
pub fn parse(text: &str) -> Vec<Device> {
    text.lines()
        .filter_map(|l| {
            let f: Vec<&str> = l.split_whitespace().collect();
            let name = *f.get(2)?;
            let ms = |i: usize| f.get(i)?.parse::<f64>().ok();
            let (busy, queued) = (ms(12)?, ms(13)?);
            (is_real(name) && busy > 0.0).then(|| Device {
                name: name.to_owned(),
                busy: busy / 1e3,
                queued: queued / 1e3,
            })
        })
        .take(DEVICES)
        .collect()
}

fn is_real(name: &str) -> bool {
    let letters = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase());
    let numbers = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    ["sd", "vd", "xvd", "hd"]
        .iter()
        .any(|p| name.strip_prefix(p).is_some_and(letters))
        || name.strip_prefix("mmcblk").is_some_and(numbers)
        || name
            .strip_prefix("nvme")
            .and_then(|r| r.split_once('n'))
            .is_some_and(|(a, b)| numbers(a) && numbers(b))
}

pub struct Disk {
    proc: Proc,
    counters: Counters<(String, bool)>,
}

impl Disk {
    pub fn new(proc: Proc) -> Disk {
        Disk {
            proc,
            counters: Counters::default(),
        }
    }
}

impl Probe for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let Some(text) = self.proc.read("diskstats") else {
            r.blind(
                "disk",
                "",
                "/proc/diskstats cannot be read: disks are not seen",
            );
            return;
        };
        for d in parse(&text) {
            let busy = self.counters.rate((d.name.clone(), false), r.now, d.busy);
            let queued = self.counters.rate((d.name.clone(), true), r.now, d.queued);
            if let Some(busy) = busy {
                // Both counters are rounded to milliseconds at different moments.
                let busy = busy.min(1.0);
                let name = format!("disk.host.{}", d.name);
                if let Some(c) = r.cell(&name, InstanceIx::NONE, busy, Some(1.0)) {
                    c.waiting = queued.map(|q| (q - busy).max(0.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Targets;
    use crate::probes::procfs::fake::Fake;
    use base::{Names, Nanos};

    #[test]
    fn only_whole_real_devices() {
        for (name, real) in [
            ("sda", true),
            ("sda1", false),
            ("nvme0n1", true),
            ("nvme0n1p2", false),
            ("vdb", true),
            ("loop0", false),
            ("dm-0", false),
            ("mmcblk0", true),
            ("mmcblk0p1", false),
            ("zram0", false),
        ] {
            assert_eq!(is_real(name), real, "{name}");
        }
    }

    #[test]
    fn busy_and_waiting_per_second() {
        let f = Fake::new();
        let (targets, names) = (Targets::default(), Names::default());
        let mut probe = Disk::new(f.proc(1.0));
        let mut read = |at: f64, busy: u32, queued: u32| {
            let line = format!(" 254 0 vda 9 0 8 7 6 5 4 3 0 {busy} {queued} 0\n 7 0 loop0 0 0\n");
            f.put("proc/diskstats", &line);
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            probe.read(&mut r);
            r.cells
        };
        assert!(read(0.0, 1000, 2000).is_empty());
        let c = read(1.0, 1250, 3000);
        assert_eq!((c[0].busy, c[0].waiting), (0.25, Some(0.75)));
        assert_eq!(names.resources.find("disk.host.vda"), Some(c[0].resource));
    }
}
