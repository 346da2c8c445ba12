//! Bytes through the machine's links from `/proc/net/dev`. Resource `net.host.<device>` in bytes per second of the
//! busier direction, or of what is sent where the kernel shapes that ([`shape`]).
//!
//! Links are those to elsewhere: a device, what the default route takes, what is shaped, and what the config names; all of them
//! where none has a device, as in a container. Loopback costs CPU only; a host's ends of its containers' pairs come and go, and what
//! they carry goes through a link, or costs CPU only.

mod shape;

use super::counter::Counters;
use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};
use shape::Rates;
use std::collections::BTreeSet;

/// Lines of the table that are read, and links that are told of as long as we run: names are never given back.
const LINES: usize = 4096;
const DEVICES: usize = 64;
/// How links are shaped is asked this often, seconds.
const ASKED_S: f64 = 10.0;

/// `(device, bytes received, bytes sent)` of every link that has carried anything, loopback apart.
pub fn parse(text: &str) -> Vec<(String, f64, f64)> {
    text.lines()
        .filter_map(|l| {
            let (name, rest) = l.split_once(':')?;
            let f: Vec<f64> = rest
                .split_whitespace()
                .map_while(|v| v.parse().ok())
                .collect();
            let (rx, tx) = (*f.first()?, *f.get(8)?);
            let name = name.trim();
            (name != "lo" && rx + tx > 0.0).then(|| (name.to_owned(), rx, tx))
        })
        .take(LINES)
        .collect()
}

/// The links that default routes take, by `/proc/net/route` and `/proc/net/ipv6_route`.
fn ways_out(four: &str, six: &str) -> BTreeSet<String> {
    let columns = |l: &str| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let four = four.lines().map(columns).filter_map(|f| {
        let all = f.get(1)? == "00000000" && f.get(7)? == "00000000";
        all.then(|| f[0].clone())
    });
    let six = six.lines().map(columns).filter_map(|f| {
        let all = f.first()?.bytes().all(|b| b == b'0') && f.get(1)? == "00";
        all.then(|| f.get(9).cloned())?
    });
    four.chain(six).filter(|link| link != "lo").collect()
}

/// Bytes per second from a link speed in Mbit/s; virtual links say -1 or nothing.
pub fn speed(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|m| *m > 0.0)
        .map(|m| m * 125_000.0)
}

pub struct Network {
    proc: Proc,
    counters: Counters<(String, bool)>,
    shapes: fn() -> Result<Rates, String>,
    rates: Rates,
    ways_out: BTreeSet<String>,
    asked: Option<Nanos>,
    /// Links that were told of.
    told: BTreeSet<String>,
    /// Why it is not known how they are shaped.
    untold: Option<String>,
}

impl Network {
    pub fn new(proc: Proc) -> Network {
        Network {
            proc,
            counters: Counters::default(),
            shapes: shape::of_kernel,
            rates: Rates::new(),
            ways_out: BTreeSet::new(),
            asked: None,
            told: BTreeSet::new(),
            untold: None,
        }
    }

    fn ask(&mut self, r: &mut Reading<'_>) {
        let due = |at: Nanos| r.now.since(at).as_secs_f64() >= ASKED_S;
        if self.asked.is_none_or(due) {
            self.asked = Some(r.now);
            (self.rates, self.untold) = match (self.shapes)() {
                Ok(rates) => (rates, None),
                Err(why) => (Rates::new(), Some(why)),
            };
            let table = |name| self.proc.read(name).unwrap_or_default();
            self.ways_out = ways_out(&table("net/route"), &table("net/ipv6_route"));
        }
        if let Some(why) = &self.untold {
            r.note("network", "", why.clone());
        }
    }

    fn is_device(&self, link: &str) -> bool {
        let device = format!("class/net/{link}/device/uevent");
        self.proc.read_sys(&device).is_some()
    }

    /// Whether it leads elsewhere, and there is room to tell of it.
    fn is_link(&mut self, link: &str, declared: bool, devices: bool) -> bool {
        if self.told.contains(link) {
            return true;
        }
        let counts = declared
            || !devices
            || self.ways_out.contains(link)
            || self.shaped(link).is_some()
            || self.is_device(link);
        let room = self.told.len() < DEVICES;
        counts && room && self.told.insert(link.to_owned())
    }

    /// Bytes per second that the kernel lets it send; `None`: as many as it can.
    fn shaped(&self, link: &str) -> Option<f64> {
        if self.rates.is_empty() {
            return None;
        }
        let number = self.proc.read_sys(&format!("class/net/{link}/ifindex"))?;
        self.rates.get(&number.trim().parse().ok()?).copied()
    }
}

impl Probe for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let Some(text) = self.proc.read("net/dev") else {
            r.blind(
                "network",
                "",
                "/proc/net/dev cannot be read: links are not seen",
            );
            return;
        };
        self.ask(r);
        let all = parse(&text);
        let devices = all.iter().any(|(name, ..)| self.is_device(name));
        for (name, rx, tx) in all {
            let resource = format!("net.host.{name}");
            let declared = r.targets.declared.contains(&resource);
            if !self.is_link(&name, declared, devices) {
                continue;
            }
            let rx = self.counters.rate((name.clone(), false), r.now, rx);
            let tx = self.counters.rate((name.clone(), true), r.now, tx);
            let (Some(rx), Some(tx)) = (rx, tx) else {
                continue;
            };
            let told = self.proc.read_sys(&format!("class/net/{name}/speed"));
            let speed = told.and_then(|t| speed(&t));
            let (busy, capacity) = match (self.shaped(&name), speed) {
                // What comes in is not shaped, but has the speed of the link.
                (Some(rate), Some(speed)) => {
                    let rate = rate.min(speed);
                    (tx.max(rx * rate / speed), Some(rate))
                }
                (Some(rate), None) => (tx, Some(rate)),
                (None, speed) => (rx.max(tx), speed),
            };
            if capacity.is_none() {
                r.note(
                    "network",
                    resource.clone(),
                    format!(
                        "the speed of link {name} is not told: declare the capacity of `{resource}`"
                    ),
                );
            }
            r.cell(&resource, InstanceIx::NONE, busy, capacity);
        }
        self.counters.forget_before(r.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Targets;
    use crate::probes::procfs::fake::Fake;
    use base::Names;

    #[test]
    fn the_busier_direction_counts_and_loopback_does_not() {
        let f = Fake::new();
        f.put("sys/class/net/eth0/speed", "1000\n");
        f.put("sys/class/net/eth1/speed", "-1\n");
        let (targets, names) = (Targets::default(), Names::default());
        f.put("sys/class/net/eth2/speed", "10000\n");
        f.put("sys/class/net/eth2/ifindex", "4\n");
        for device in ["eth0", "eth1"] {
            f.put(&format!("sys/class/net/{device}/device/uevent"), "");
        }
        let mut probe = Network::new(f.proc(1.0));
        probe.shapes = || Ok(Rates::from([(4, 2000.0)]));
        let mut read = |at: f64, rx: u64, tx: u64| {
            let dev = |n: &str| format!("  {n}: {rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n");
            let head = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n";
            f.put(
                "proc/net/dev",
                &format!(
                    "{head}{}{}{}{}{}",
                    dev("lo"),
                    dev("veth1"),
                    dev("eth0"),
                    dev("eth1"),
                    dev("eth2")
                ),
            );
            let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
            probe.read(&mut r);
            (r.cells, r.notes)
        };
        read(0.0, 1000, 1000);
        let (c, notes) = read(2.0, 3000, 2000);
        assert_eq!(c.len(), 3);
        assert_eq!((c[0].busy, c[0].capacity), (1000.0, Some(125e6)));
        assert_eq!(c[1].capacity, None);
        assert_eq!((c[2].busy, c[2].capacity), (500.0, Some(2000.0)), "shaped");
        assert!(notes.len() == 1 && notes[0].text.contains("eth1"));
    }

    #[test]
    fn a_pair_counts_in_its_container_and_where_it_is_declared() {
        let f = Fake::new();
        let names = Names::default();
        let cells = |targets: &Targets| {
            let mut probe = Network::new(f.proc(1.0));
            probe.shapes = || Ok(Rates::new());
            let mut all = 0;
            for at in [1u64, 2] {
                let line = |n: &str| format!("{n}: {at} 1 0 0 0 0 0 0 9 1\n");
                let text = line("eth0") + &line("eth1");
                f.put("proc/net/dev", &text);
                let mut r = Reading::new(Nanos::from_secs_f64(at as f64), targets, &names);
                probe.read(&mut r);
                all = r.cells.len();
            }
            all
        };
        let mut targets = Targets::default();
        assert_eq!(cells(&targets), 2, "none has a device");
        f.put("sys/class/net/eth0/device/uevent", "");
        assert_eq!(cells(&targets), 1);
        targets.declared.push("net.host.eth1".into());
        assert_eq!(cells(&targets), 2);
    }

    #[test]
    fn what_the_default_route_takes_is_a_link() {
        let four = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                    eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0\n\
                    br0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n";
        let none = "0".repeat(32);
        let six = format!(
            "{none} 00 {none} 00 {none} 00000400 00000001 00000000 00000003 eth1\n\
             {none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200 lo\n\
             fe80{} 40 {none} 00 {none} 00000100 00000001 00000000 00000001 eth2\n",
            "0".repeat(28)
        );
        let both = ways_out(four, &six);
        assert_eq!(both.into_iter().collect::<Vec<_>>(), ["eth0", "eth1"]);
        assert!(ways_out("garbage\n", "x y\n").is_empty());
    }

    #[test]
    fn links_that_come_and_go_take_no_more_than_so_many_names() {
        let f = Fake::new();
        let (targets, names) = (Targets::default(), Names::default());
        let mut probe = Network::new(f.proc(1.0));
        probe.shapes = || Ok(Rates::new());
        for n in 0..2 * DEVICES as u64 {
            f.put(&format!("sys/class/net/vf{n}/device/uevent"), "");
            for at in [2 * n, 2 * n + 1] {
                f.put("proc/net/dev", &format!("vf{n}: {at} 1 0 0 0 0 0 0 9 1\n"));
                let now = Nanos::from_secs_f64(at as f64);
                probe.read(&mut Reading::new(now, &targets, &names));
            }
        }
        assert_eq!(names.resources.all().len(), DEVICES);
    }
}
