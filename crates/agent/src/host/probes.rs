//! The probes as they run on another host: the same ones as at the gateway, on the instances that are here.

use crate::host::clock::Estimate;
use crate::host::meter::{Meters, Rates};
use crate::host::share::Shares;
use crate::message::{self, Instance, Look, Note, Reading, Told};
use base::{InstanceIx, Names, Nanos};
use config::Address;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use telemetry::probes::listeners::is_local;
use telemetry::probes::waiters::{REFUSED, Threads};
use telemetry::probes::{self, InstanceTarget, Probe, Proc, Targets};

/// Those that look at this host; the others ask servers or the gateway itself.
const HERE: [&str; 9] = [
    "listeners",
    "cgroup",
    "cpu",
    "host",
    "disk",
    "network",
    "memory",
    "storage",
    "pressure",
];
/// Addresses of this host may change: they are looked at this often.
const AGAIN: Duration = Duration::from_secs(30);

pub struct Probes {
    all: Vec<Box<dyn Probe>>,
    threads: Threads,
    names: Names,
    told: Vec<Instance>,
    looked: Option<Nanos>,
    targets: Targets,
    instances: BTreeMap<InstanceIx, Instance>,
    meters: Meters,
    shares: Shares,
    looks: Vec<(Nanos, InstanceIx, BTreeMap<u64, f64>)>,
    refused: Vec<InstanceIx>,
}

impl Probes {
    pub fn new(proc: &Proc, also: Vec<IpAddr>) -> Probes {
        let mut all = probes::all(proc);
        all.retain(|p| HERE.contains(&p.name()));
        Probes {
            all,
            threads: Threads::new(proc.clone()),
            names: Names::default(),
            told: Vec::new(),
            looked: None,
            targets: Targets {
                also,
                ..Targets::default()
            },
            instances: BTreeMap::new(),
            meters: Meters::default(),
            shares: Shares::default(),
            looks: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The gateway's instances: those at addresses of this host are looked at.
    pub fn told(&mut self, instances: &[Instance], now: Nanos) {
        let due = self.looked.is_none_or(|l| now.since(l) >= AGAIN);
        if !due && self.told == instances {
            return;
        }
        self.looked = Some(now);
        self.told = instances.to_vec();
        self.instances.clear();
        self.targets.instances.clear();
        for i in instances.iter().take(message::TARGETS) {
            let Ok(Address::Ip(at)) = i.address.parse() else {
                continue;
            };
            if !self.is_here(at.ip()) {
                continue;
            }
            let name = format!("{}/{}", i.service, i.address);
            let instance = self.names.instances.intern(&name);
            self.instances.insert(instance, i.clone());
            self.targets.instances.push(InstanceTarget {
                service: i.service.clone(),
                instance,
                address: Address::Ip(at),
                pid: None,
            });
        }
    }

    /// Loopback is the gateway's own host, unless the user says that it is this one too.
    fn is_here(&self, ip: IpAddr) -> bool {
        let own = || !ip.is_loopback() && !ip.is_unspecified() && is_local(ip);
        self.targets.also.contains(&ip) || own()
    }

    /// About ten times a second: who waits at a futex.
    pub fn look(&mut self, now: Nanos) {
        self.refused.clear();
        for (i, look) in self.threads.look() {
            match look.refused {
                true => self.refused.push(i),
                // What is not sent for long is not kept.
                false if self.looks.len() >= message::LOOKS => {}
                false => self.looks.push((now, i, look.waiters)),
            }
        }
    }

    /// Once a second: what everything here did since the last time.
    pub fn read(&mut self, now: Nanos, clock: Option<Estimate>) -> Reading {
        let mut r = probes::Reading::new(now, &self.targets, &self.names);
        self.all.iter_mut().for_each(|p| p.read(&mut r));
        let probes::Reading {
            found,
            cells,
            signals,
            notes,
            ..
        } = r;
        self.threads.retain(|i| found.contains_key(&i));
        for (i, f) in &found {
            self.threads.list(*i, &f.pids);
        }
        let name = |ix| {
            self.names
                .resources
                .name(ix)
                .unwrap_or_default()
                .to_string()
        };
        let rates = cells.iter().map(|c| Rates {
            resource: name(c.resource),
            instance: self.instances.get(&c.instance).cloned(),
            busy: c.busy,
            waiting: c.waiting,
            background: c.background,
            capacity: c.capacity,
            level: c.level,
        });
        let rates = self.shares.apply(rates.collect());
        let counters = self.meters.add(now, rates);
        let mut told: Vec<Note> = notes.iter().filter_map(note).collect();
        told.extend(self.refused.iter().filter_map(|i| {
            Some(Note {
                probe: "waiters".into(),
                about: self.instances.get(i)?.address.clone(),
                text: REFUSED.into(),
                blind: true,
            })
        }));
        told.truncate(message::NOTES);
        let looks = std::mem::take(&mut self.looks);
        let at = |here| clock.map_or(Nanos::ZERO, |c| c.at_gateway(here));
        Reading {
            at: at(now),
            seen: found
                .keys()
                .filter_map(|i| self.instances.get(i).cloned())
                .collect(),
            counters,
            signals: signals
                .into_iter()
                .take(message::SIGNALS)
                .map(|s| Told {
                    resource: name(s.resource),
                    instance: self.instances.get(&s.instance).cloned(),
                    signal: s.signal,
                    value: s.value,
                })
                .collect(),
            looks: looks
                .into_iter()
                .filter_map(|(when, i, waiters)| {
                    Some(Look {
                        at: at(when),
                        instance: self.instances.get(&i)?.clone(),
                        waiters: waiters.into_iter().take(message::WAITERS).collect(),
                    })
                })
                .collect(),
            notes: told,
        }
    }
}

fn note(n: &probes::ProbeNote) -> Option<Note> {
    // What CPU the host has left is in the capacities.
    let ours = n.about == "cpu.host" && n.text.starts_with("background");
    let mut text = n.text.clone();
    text.truncate(text.floor_char_boundary(message::NOTE));
    (!ours && n.about.len() <= message::NOTE).then(|| Note {
        probe: n.probe.into(),
        about: n.about.clone(),
        text,
        blind: n.blind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instances_of_this_host_are_looked_at() {
        let instance = |address: &str| Instance {
            service: "shop".into(),
            address: address.into(),
        };
        let all = [
            instance("127.0.0.1:1"),
            instance("192.0.2.1:1"),
            instance("203.0.113.7:1"),
            instance("unix:/run/shop.sock"),
        ];
        let mut p = Probes::new(&Proc::host(), vec!["203.0.113.7".parse().unwrap()]);
        p.told(&all, Nanos::ZERO);
        let here: Vec<_> = p.targets.instances.iter().map(|t| &t.address).collect();
        assert_eq!(here, [&"203.0.113.7:1".parse().unwrap()]);
        let r = p.read(Nanos::ZERO, None);
        assert!(r.seen.is_empty() && r.notes.iter().any(|n| n.probe == "listeners"));
    }
}
