//! What the machine and the upstreams say of their resources, once a second on our own clock.
//!
//! Counters are cumulative and read as differences over the time that really passed. A probe that cannot see says so
//! in a note and reports nothing: a missing number is never a zero.

pub mod cgroup;
pub mod connections;
pub mod counter;
pub mod cpu;
pub mod disk;
pub mod host;
pub mod listeners;
pub mod memory;
mod netlink;
pub mod network;
pub mod pools;
pub mod postgres;
pub mod pressure;
pub mod procfs;
mod reader;
pub mod redis;
pub mod scrape;
pub mod storage;
pub mod tls;
pub mod told;
pub mod waiters;

use base::window::UseCell;
use base::{
    InstanceIx, Names, Nanos, ResourceCell, ResourceIx, Signal, SignalCell, Statement, Traced,
    Window,
};
use config::Address;
pub use procfs::Proc;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One instance that requests go to.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceTarget {
    pub service: String,
    pub instance: InstanceIx,
    pub address: Address,
    /// Its process, when somebody who started it knows; else it is found by its listening port.
    pub pid: Option<u32>,
}

/// One of Plimsoll's own upstream pools, or the workers of a route's jobs, now.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolGauge {
    pub service: String,
    /// What is behind the service in its name, such as `jobs.mail`; empty: nothing.
    pub detail: String,
    pub instance: InstanceIx,
    /// Connections (or permits) in use, and those who wait for one.
    pub in_use: f64,
    pub waiting: f64,
    /// `None`: not limited.
    pub size: Option<f64>,
}

/// What the probes look at. The owner of the gateway fills it in; telemetry never asks the gateway itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    pub instances: Vec<InstanceTarget>,
    /// Addresses that lead to this machine beside its own.
    pub also: Vec<IpAddr>,
    /// Resources that the config names.
    pub declared: Vec<String>,
    pub pools: Vec<PoolGauge>,
    /// Where clients connect to us.
    pub ports: Vec<u16>,
    /// Sizes of slot resources as upstreams told them (`size=` of `Server-Timing`).
    pub sizes: Vec<(ResourceIx, InstanceIx, f64)>,
    pub scrapes: Vec<scrape::ScrapeTarget>,
    pub databases: Vec<postgres::PostgresTarget>,
    pub stores: Vec<redis::RedisTarget>,
    /// How statements tell which route they are of.
    pub origins: postgres::Origins,
}

/// How well a probe sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ProbeNote {
    pub probe: &'static str,
    /// What it is about: an instance, a device; empty for the whole probe.
    pub about: String,
    pub text: String,
    /// It reports nothing about this.
    pub blind: bool,
}

/// What one instance is found to be, and what probes before have said of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The process that listens, then its children.
    pub pids: Vec<u32>,
    /// CPU seconds per second, when known.
    pub cpu: Option<f64>,
    /// Cores that its cgroup lets it use, when limited.
    pub quota: Option<f64>,
}

/// One second's reading, handed from probe to probe in the order of [`all`].
pub struct Reading<'a> {
    pub now: Nanos,
    pub targets: &'a Targets,
    pub names: &'a Names,
    pub found: BTreeMap<InstanceIx, Found>,
    /// Databases whose processes run here: their name (`orders` of `db.orders`), and the process that all others come from.
    pub servers: Vec<(String, u32)>,
    pub cells: Vec<ResourceCell>,
    /// What the kernel tells of resources beside their use.
    pub signals: Vec<SignalCell>,
    /// What a resource tells of routes by itself.
    pub uses: Vec<UseCell>,
    pub statements: Vec<Statement>,
    pub traced: Vec<Traced>,
    /// Resources whose instances are known to work on one thread.
    pub serial: BTreeSet<ResourceIx>,
    pub notes: Vec<ProbeNote>,
}

impl<'a> Reading<'a> {
    pub fn new(now: Nanos, targets: &'a Targets, names: &'a Names) -> Reading<'a> {
        Reading {
            now,
            targets,
            names,
            found: BTreeMap::new(),
            servers: Vec::new(),
            cells: Vec::new(),
            signals: Vec::new(),
            uses: Vec::new(),
            statements: Vec::new(),
            traced: Vec::new(),
            serial: BTreeSet::new(),
            notes: Vec::new(),
        }
    }
    pub fn note(&mut self, probe: &'static str, about: impl Into<String>, text: impl Into<String>) {
        self.notes.push(ProbeNote {
            probe,
            about: about.into(),
            text: text.into(),
            blind: false,
        });
    }
    pub fn blind(
        &mut self,
        probe: &'static str,
        about: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.notes.push(ProbeNote {
            probe,
            about: about.into(),
            text: text.into(),
            blind: true,
        });
    }
    /// A sign of a resource; skipped when the table of resource names is full.
    pub fn signal(&mut self, name: &str, instance: InstanceIx, signal: Signal, value: f64) {
        let resource = self.names.resources.intern(name);
        if !resource.is_none() {
            self.signals.push(SignalCell {
                resource,
                instance,
                signal,
                value,
            });
        }
    }
    /// A cell with nothing but `busy` and `capacity`; skipped when the table of resource names is full.
    pub fn cell(
        &mut self,
        name: &str,
        instance: InstanceIx,
        busy: f64,
        capacity: Option<f64>,
    ) -> Option<&mut ResourceCell> {
        let resource = self.names.resources.intern(name);
        if resource.is_none() {
            return None;
        }
        self.cells.push(ResourceCell {
            resource,
            instance,
            busy,
            capacity,
            waiting: None,
            level: None,
            background: None,
        });
        self.cells.last_mut()
    }
}

/// Reads one kind of resource. `read` is called once a second and must not take long.
pub trait Probe: Send {
    fn name(&self) -> &'static str;
    fn read(&mut self, reading: &mut Reading<'_>);
    /// Called about ten times a second, for what can only be sampled. `in_flight` tells an instance's requests now.
    fn sample(&mut self, _now: Nanos, _in_flight: &dyn Fn(InstanceIx) -> u32) {}
    /// Called for each window before it is published, about ten seconds after its end: for what comes late.
    fn close(&mut self, _window: &mut Window) {}
}

/// Every probe, in the order in which they read: later ones use what earlier ones found.
/// (`told` reads no machine: it is applied to closed windows, see [`told::fill`].)
pub fn all(proc: &Proc) -> Vec<Box<dyn Probe>> {
    vec![
        Box::new(listeners::Listeners::new(proc.clone())),
        Box::new(cgroup::Cgroups::new(proc.clone())),
        Box::new(cpu::Cpu::new(proc.clone())),
        Box::new(host::Host::new(proc.clone())),
        Box::new(disk::Disk::new(proc.clone())),
        Box::new(network::Network::new(proc.clone())),
        Box::new(connections::ConnectionsProbe::new(
            connections::Kernel::default(),
        )),
        Box::new(memory::Memory::new(proc.clone())),
        Box::new(pressure::Pressure::new(proc.clone())),
        Box::new(pools::Pools),
        Box::<scrape::Scrape>::default(),
        Box::new(postgres::Postgres::new(proc.clone())),
        Box::<redis::Redis>::default(),
        Box::new(storage::Storage::new(proc.clone())),
        Box::new(waiters::Waiters::new(proc.clone())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_can_name_every_probe_and_no_other() {
        let names: Vec<_> = all(&Proc::host()).iter().map(|p| p.name()).collect();
        assert_eq!(names, config::schema::PROBES);
    }
}
