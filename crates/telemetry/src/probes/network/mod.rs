//! Bytes through the machine's links from `/proc/net/dev`. Resource `net.host.<device>` in bytes per second of the
//! busier direction, or of what is sent where the kernel shapes that ([`shape`]); loopback is no link (it costs CPU only) and
//! stays out.

mod shape;

use super::counter::Counters;
use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};
use shape::Rates;

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
        .take(DEVICES)
        .collect()
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
    asked: Option<Nanos>,
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
            asked: None,
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
        }
        if let Some(why) = &self.untold {
            r.note("network", "", why.clone());
        }
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
        for (name, rx, tx) in parse(&text) {
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
            let resource = format!("net.host.{name}");
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Targets;
    use crate::probes::procfs::fake::Fake;
    use base::{Names, Nanos};

    #[test]
    fn the_busier_direction_counts_and_loopback_does_not() {
        let f = Fake::new();
        f.put("sys/class/net/eth0/speed", "1000\n");
        f.put("sys/class/net/eth1/speed", "-1\n");
        let (targets, names) = (Targets::default(), Names::default());
        f.put("sys/class/net/eth2/speed", "10000\n");
        f.put("sys/class/net/eth2/ifindex", "4\n");
        let mut probe = Network::new(f.proc(1.0));
        probe.shapes = || Ok(Rates::from([(4, 2000.0)]));
        let mut read = |at: f64, rx: u64, tx: u64| {
            let dev = |n: &str| format!("  {n}: {rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n");
            let head = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n";
            f.put(
                "proc/net/dev",
                &format!(
                    "{head}{}{}{}{}",
                    dev("lo"),
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
}
