//! Disks as the control group of an instance may use them, versions 1 and 2. Resource `disk.<service>`: the share in use of
//! the limit that is nearest to full (bytes or operations, reads or writes, of any device, ancestors included). Of a database
//! that runs here: `disk.<database>.limit`.
//!
//! Capacity: 1, where a limit is set (`io.max`, `blkio.throttle.*`); without one there is no such resource, and the host's
//! disks (`disk.host.*`) are what runs out. Blind where the group does not count (the `io` controller is off); counters
//! that go backwards give nothing for that second.

use super::cgroup::{self, Group, read_any, up};
use super::counter::Counters;
use super::{Probe, Proc, Reading};
use base::InstanceIx;
use std::collections::{BTreeMap, BTreeSet};

/// Devices looked at in one group.
const DEVICES: usize = 16;
/// A limit this full is told.
const FULL: f64 = 0.9;

/// What is counted and limited, in the order of `io.max`.
const KINDS: [&str; 4] = ["bytes read", "bytes written", "reads", "writes"];
const V2_STAT: [&str; 4] = ["rbytes", "wbytes", "rios", "wios"];
const V2_MAX: [&str; 4] = ["rbps", "wbps", "riops", "wiops"];
/// File of the limit, file of the counter, and its word.
const V1: [(&str, &str, &str); 4] = [
    ("read_bps_device", "io_service_bytes_recursive", "Read"),
    ("write_bps_device", "io_service_bytes_recursive", "Write"),
    ("read_iops_device", "io_serviced_recursive", "Read"),
    ("write_iops_device", "io_serviced_recursive", "Write"),
];

/// By device (`254:0`) and kind.
type Table = BTreeMap<(String, usize), f64>;

/// `254:0 rbytes=90112 wbytes=0 …`, or `254:0 rbps=max wbps=1048576 …`.
pub fn v2(text: &str, keys: &[&str; 4]) -> Table {
    let mut all = Table::new();
    for line in text.lines().take(DEVICES) {
        let mut fields = line.split_whitespace();
        let Some(device) = fields.next() else {
            continue;
        };
        for (key, value) in fields.filter_map(|f| f.split_once('=')) {
            if let (Some(k), Ok(v)) = (keys.iter().position(|x| *x == key), value.parse()) {
                all.insert((device.to_owned(), k), v);
            }
        }
    }
    all
}

/// `254:0 Read 90112`, or of limits `254:0 1048576`.
pub fn v1(text: &str, word: Option<&str>) -> BTreeMap<String, f64> {
    let of = |l: &str| {
        let f: Vec<&str> = l.split_whitespace().collect();
        let right = match word {
            Some(w) => f.len() == 3 && f.get(1) == Some(&w),
            None => f.len() == 2 && f.first()?.contains(':'),
        };
        let value = f.last()?.parse().ok()?;
        right.then(|| Some((f.first()?.to_string(), value)))?
    };
    text.lines().filter_map(of).take(DEVICES).collect()
}

/// One group: its limits, and what has been used there.
#[derive(Debug, Default, PartialEq)]
struct Use {
    limits: Table,
    /// `None`: it does not count.
    counted: Option<Table>,
}

fn one(proc: &Proc, group: &Group, at: &str) -> Use {
    match group {
        Group::V2(_) => {
            let read = |file| read_any(proc, &["", "unified/"], at, file);
            Use {
                limits: read("io.max").map_or_else(Table::new, |t| v2(&t, &V2_MAX)),
                counted: read("io.stat").map(|t| v2(&t, &V2_STAT)),
            }
        }
        Group::V1(_) => {
            let read = |file| read_any(proc, &["blkio/"], at, &format!("blkio.throttle.{file}"));
            let mut all = Use::default();
            for (k, (limit, counter, word)) in V1.into_iter().enumerate() {
                let limits = read(limit).map_or_else(BTreeMap::new, |t| v1(&t, None));
                all.limits
                    .extend(limits.into_iter().map(|(d, v)| ((d, k), v)));
                if let Some(text) = read(counter) {
                    let counted = v1(&text, Some(word)).into_iter();
                    let table = all.counted.get_or_insert_with(Table::new);
                    table.extend(counted.map(|(d, v)| ((d, k), v)));
                }
            }
            all
        }
    }
}

/// A resource and the instance that has it.
type Owner = (String, InstanceIx);

pub struct Storage {
    proc: Proc,
    /// Of an owner: the group's depth, the device, the kind.
    counters: Counters<(Owner, usize, String, usize)>,
}

impl Storage {
    pub fn new(proc: Proc) -> Storage {
        Storage {
            proc,
            counters: Counters::default(),
        }
    }

    fn owner(&mut self, r: &mut Reading<'_>, owner: Owner, pid: u32, about: &str) {
        let text = self.proc.read(&format!("{pid}/cgroup")).unwrap_or_default();
        let Some(group) = cgroup::group(&text, "blkio") else {
            r.blind("storage", about, "its control group cannot be read");
            return;
        };
        let mut fullest: Option<(f64, String)> = None;
        let mut limited = false;
        let all: Vec<&str> = up(&self.proc, &group, "blkio").collect();
        for (depth, at) in all.into_iter().enumerate() {
            let here = one(&self.proc, &group, at);
            let Some(counted) = here.counted else {
                if depth == 0 && !at.is_empty() {
                    let text = "its control group does not count input and output (the io controller is off): limits of its disks are not seen";
                    r.blind("storage", about, text);
                }
                continue;
            };
            for ((device, kind), limit) in here.limits.iter().filter(|l| *l.1 > 0.0) {
                limited = true;
                let used = counted
                    .get(&(device.clone(), *kind))
                    .copied()
                    .unwrap_or(0.0);
                let key = (owner.clone(), depth, device.clone(), *kind);
                let Some(rate) = self.counters.rate(key, r.now, used) else {
                    continue;
                };
                let share = rate / limit;
                if fullest.as_ref().is_none_or(|f| share > f.0) {
                    let what = KINDS.get(*kind).copied().unwrap_or_default();
                    let text =
                        format!("{what} of device {device}: {rate:.0} of {limit:.0} per second");
                    fullest = Some((share, text));
                }
            }
        }
        let Some((share, text)) = fullest.filter(|_| limited) else {
            return;
        };
        // The kernel lets a little more through in one second and takes it back in the next.
        let (name, i) = owner;
        r.cell(&name, i, share.min(1.0), Some(1.0));
        if share > FULL {
            let text = format!("the limit of its control group holds it: {text}");
            r.note("storage", about, text);
        }
    }
}

impl Probe for Storage {
    fn name(&self) -> &'static str {
        "storage"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        for t in &targets.instances {
            let found = r.found.get(&t.instance);
            if let Some(pid) = found.and_then(|f| f.pids.first().copied()) {
                let owner = (format!("disk.{}", t.service), t.instance);
                self.owner(r, owner, pid, &t.address.to_string());
            }
        }
        // Of several databases of one server the first stands for all: they have one group.
        let mut seen = BTreeSet::new();
        let servers = r.servers.clone();
        for (database, pid) in servers.into_iter().filter(|s| seen.insert(s.1)) {
            let owner = (format!("disk.{database}.limit"), InstanceIx::NONE);
            self.owner(r, owner, pid, &format!("db.{database}"));
        }
        self.counters.forget_before(r.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::procfs::fake::{Fake, shop};
    use crate::probes::{Found, ProbeNote, Targets};
    use base::{Names, Nanos};

    fn read(probe: &mut Storage, at: f64) -> (Vec<(f64, Option<f64>)>, Vec<ProbeNote>) {
        let (targets, names) = (shop(), Names::default());
        let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
        let found = Found {
            pids: vec![7],
            ..Found::default()
        };
        r.found.insert(InstanceIx(0), found);
        probe.read(&mut r);
        assert!(r.cells.is_empty() || names.resources.find("disk.shop").is_some());
        (
            r.cells.iter().map(|c| (c.busy, c.capacity)).collect(),
            r.notes,
        )
    }

    #[test]
    fn the_limit_nearest_to_full_counts() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "0::/app/one\n");
        f.put(
            "sys/fs/cgroup/app/io.max",
            "254:0 rbps=max wbps=1000 riops=max wiops=50\n",
        );
        let stat = |wbytes: u32, wios: u32| {
            let line =
                format!("254:0 rbytes=90112 wbytes={wbytes} rios=9 wios={wios} dbytes=0 dios=0\n");
            f.put("sys/fs/cgroup/app/io.stat", &line);
            f.put("sys/fs/cgroup/app/one/io.stat", &line);
        };
        let mut probe = Storage::new(f.proc(1.0));
        stat(0, 0);
        assert_eq!(read(&mut probe, 1.0).0, []);
        stat(400, 48);
        let (cells, notes) = read(&mut probe, 2.0);
        assert_eq!(cells, [(0.96, Some(1.0))]);
        assert!(
            notes[0].text.contains("writes of device 254:0: 48 of 50"),
            "{notes:?}"
        );
        stat(0, 0);
        assert_eq!(read(&mut probe, 3.0).0, [], "a counter went backwards");
    }

    #[test]
    fn a_database_that_runs_here_has_limits_of_its_own() {
        let f = Fake::new();
        f.put("proc/9/cgroup", "0::/db\n");
        f.put("sys/fs/cgroup/db/io.max", "254:0 wbps=1000\n");
        let (targets, names) = (Targets::default(), Names::default());
        let mut probe = Storage::new(f.proc(1.0));
        let mut busy = Vec::new();
        for (at, wbytes) in [(1.0, 0), (2.0, 300)] {
            f.put(
                "sys/fs/cgroup/db/io.stat",
                &format!("254:0 wbytes={wbytes}\n"),
            );
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            r.servers.push(("orders".into(), 9));
            probe.read(&mut r);
            busy.extend(r.cells.iter().map(|c| (c.resource, c.busy)));
        }
        let limit = names.resources.find("disk.orders.limit").unwrap();
        assert_eq!(busy, [(limit, 0.3)]);
    }

    #[test]
    fn version_one_has_a_file_for_each_limit() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "7:blkio:/app\n0::/\n");
        let put = |name: &str, text: &str| {
            f.put(
                &format!("sys/fs/cgroup/blkio/app/blkio.throttle.{name}"),
                text,
            );
        };
        put("write_bps_device", "254:0 2000\n");
        let counted = |n: u32| {
            put(
                "io_service_bytes_recursive",
                &format!("254:0 Read 5\n254:0 Write {n}\n254:0 Sync 9\nTotal 9\n"),
            )
        };
        let mut probe = Storage::new(f.proc(1.0));
        counted(0);
        read(&mut probe, 1.0);
        counted(500);
        assert_eq!(read(&mut probe, 2.0).0, [(0.25, Some(1.0))]);
    }

    #[test]
    fn without_a_limit_there_is_nothing_and_without_counters_a_word() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "0::/app\n");
        let mut probe = Storage::new(f.proc(1.0));
        let (cells, notes) = read(&mut probe, 1.0);
        assert!(cells.is_empty() && notes[0].blind && notes[0].text.contains("io controller"));
        f.put(
            "sys/fs/cgroup/app/io.stat",
            "254:0 rbytes=1 wbytes=1 rios=1 wios=1\n",
        );
        f.put("sys/fs/cgroup/app/io.max", "\n");
        read(&mut probe, 2.0);
        let (cells, notes) = read(&mut probe, 3.0);
        assert!(cells.is_empty() && notes.is_empty(), "{notes:?}");
        f.put("proc/7/cgroup", "7:blkio:/\n");
        assert!(read(&mut probe, 4.0).1.is_empty(), "the root group");
    }
}
