//! Which local processes listen at an instance's address, and their children. From `/proc/net/{tcp,tcp6,unix}` the
//! sockets' inodes, from `/proc/*/fd` who holds them. Remembered for as long as they do; the search itself is bounded.
//! An address that this machine does not have is not looked for: a socket of all addresses has its port, too.

mod local;
mod tables;

use super::{Found, InstanceTarget, Probe, Proc, Reading, procfs};
use base::{InstanceIx, Nanos};
use config::Address;
pub use local::is_local;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

const PROCESSES: usize = 4096;
const FILES: usize = 65_536;
const CHILDREN: usize = 256;
/// A search is made at most this often, and the tree of processes read again as often.
const AGAIN: Duration = Duration::from_secs(5);
/// And so often for what somebody holds for others.
const SELDOM: Duration = Duration::from_secs(60);
/// They hold sockets for others: a manager until its service starts, a proxy for as long as a container runs. What they use
/// is not the service's.
const STAND_INS: [&str; 3] = ["systemd", "docker-proxy", "rootlessport"];

pub struct Listeners {
    proc: Proc,
    owners: BTreeMap<InstanceIx, Vec<Owner>>,
    /// By whom a socket is held for somebody else.
    stood_in: BTreeMap<InstanceIx, String>,
    children: BTreeMap<u32, Vec<u32>>,
    searched: Option<Nanos>,
    /// When it was looked whether somebody else holds what was held for others.
    asked: Option<Nanos>,
    treed: Option<Nanos>,
}

/// A process, and the file of it that is the listening socket.
struct Owner {
    pid: u32,
    file: String,
    inode: u64,
}

impl Listeners {
    pub fn new(proc: Proc) -> Listeners {
        Listeners {
            proc,
            owners: BTreeMap::new(),
            stood_in: BTreeMap::new(),
            children: BTreeMap::new(),
            searched: None,
            asked: None,
            treed: None,
        }
    }

    /// Looks for the instances that nobody is known to serve, or to stand in for.
    fn search(&mut self, r: &Reading<'_>) {
        let mut wanted: BTreeMap<u64, Vec<InstanceIx>> = BTreeMap::new();
        let read = |names: &[&str]| -> Vec<String> {
            names.iter().filter_map(|t| self.proc.read(t)).collect()
        };
        let (tcp, unix) = (read(&["net/tcp", "net/tcp6"]), read(&["net/unix"]));
        let listening = |address: &Address| -> Vec<u64> {
            match address {
                Address::Ip(at) => tcp.iter().flat_map(|x| tables::listening(x, *at)).collect(),
                Address::Unix(path) => unix.iter().flat_map(|x| tables::bound(x, path)).collect(),
            }
        };
        let also = &r.targets.also;
        let here = |ip: IpAddr| also.contains(&ip) || is_local(ip);
        for t in &r.targets.instances {
            let known =
                self.owners.contains_key(&t.instance) || self.stood_in.contains_key(&t.instance);
            if t.pid.is_none() && !known && t.address.ip().is_none_or(|at| here(at.ip())) {
                for inode in listening(&t.address) {
                    wanted.entry(inode).or_default().push(t.instance);
                }
            }
        }
        if !wanted.is_empty() {
            self.hold(wanted);
        }
    }

    /// Who holds these sockets.
    fn hold(&mut self, mut wanted: BTreeMap<u64, Vec<InstanceIx>>) {
        let mut pids = self.proc.numbers("", PROCESSES);
        // The oldest holder is the master when a server forks after it listens.
        pids.sort_unstable();
        for pid in pids {
            let mut stands_in = None;
            for (file, link) in self.proc.links(&format!("{pid}/fd"), FILES) {
                let Some(inode) = tables::inode(&link).filter(|i| wanted.contains_key(i)) else {
                    continue;
                };
                let stands_in = stands_in.get_or_insert_with(|| self.stand_in(pid));
                if let Some(name) = stands_in {
                    let all = wanted[&inode].iter();
                    self.stood_in.extend(all.map(|i| (*i, name.clone())));
                    continue;
                }
                for i in wanted.remove(&inode).unwrap_or_default() {
                    let owner = Owner {
                        pid,
                        file: file.clone(),
                        inode,
                    };
                    self.owners.entry(i).or_default().push(owner);
                    self.stood_in.remove(&i);
                }
            }
            if wanted.is_empty() {
                return;
            }
        }
    }

    fn stand_in(&self, pid: u32) -> Option<String> {
        let name = self.proc.read(&format!("{pid}/comm"))?.trim().to_owned();
        STAND_INS.contains(&&*name).then_some(name)
    }

    /// Whether the process is there, and has not given the socket up.
    fn holds(&self, o: &Owner) -> bool {
        let link = self.proc.link(&format!("{}/fd/{}", o.pid, o.file));
        link.and_then(|l| tables::inode(&l)) == Some(o.inode)
    }

    fn tree(&mut self) {
        self.children.clear();
        for pid in self.proc.numbers("", PROCESSES) {
            let Some(stat) = self.proc.read(&format!("{pid}/stat")) else {
                continue;
            };
            if let Some(parent) = procfs::stat_fields(&stat)
                .get(1)
                .and_then(|p| p.parse().ok())
            {
                self.children.entry(parent).or_default().push(pid);
            }
        }
    }
}

/// `root` and everything below it that is not itself (or below) another instance.
fn family(root: u32, children: &BTreeMap<u32, Vec<u32>>, others: &BTreeSet<u32>) -> Vec<u32> {
    let mut all = vec![root];
    let mut i = 0;
    while i < all.len() && all.len() < CHILDREN {
        for &c in children.get(&all[i]).into_iter().flatten() {
            if !others.contains(&c) && !all.contains(&c) {
                all.push(c);
            }
        }
        i += 1;
    }
    all
}

impl Probe for Listeners {
    fn name(&self) -> &'static str {
        "listeners"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let after = |last: Option<Nanos>, d| last.is_none_or(|l| r.now.since(l) >= d);
        let due = |last| after(last, AGAIN);
        let known = |i: &InstanceIx| targets.instances.iter().any(|t| t.instance == *i);
        let gone =
            |(i, all): &(&InstanceIx, &Vec<Owner>)| !known(i) || !all.iter().all(|o| self.holds(o));
        let gone: Vec<InstanceIx> = self.owners.iter().filter(gone).map(|(i, _)| *i).collect();
        for i in &gone {
            self.owners.remove(i);
        }
        let unknown = (targets.instances.iter())
            .any(|t| t.pid.is_none() && !self.owners.contains_key(&t.instance));
        if unknown && (due(self.searched) || !gone.is_empty()) {
            if after(self.asked, SELDOM) {
                self.asked = Some(r.now);
                self.stood_in.clear();
            }
            self.searched = Some(r.now);
            self.search(r);
        }
        if due(self.treed) || !gone.is_empty() {
            self.treed = Some(r.now);
            self.tree();
        }
        let roots: BTreeMap<InstanceIx, BTreeSet<u32>> = (targets.instances.iter())
            .map(|t| (t.instance, self.roots(t)))
            .collect();
        let all: BTreeSet<u32> = (roots.values().flatten().copied())
            .chain([std::process::id()])
            .collect();
        for t in &targets.instances {
            let roots = &roots[&t.instance];
            if roots.is_empty() {
                r.blind("listeners", t.address.to_string(), self.unseen(t));
                continue;
            }
            let of = |root: &u32| family(*root, &self.children, &all);
            let found = Found {
                pids: roots.iter().flat_map(of).collect(),
                ..Found::default()
            };
            r.found.insert(t.instance, found);
        }
    }
}

impl Listeners {
    /// The processes that it is, without their children; several where each has a socket of its own at the address.
    fn roots(&self, t: &InstanceTarget) -> BTreeSet<u32> {
        let found = self.owners.get(&t.instance).into_iter().flatten();
        match t.pid {
            Some(pid) => BTreeSet::from([pid]),
            None => found.map(|o| o.pid).collect(),
        }
    }

    fn unseen(&self, t: &InstanceTarget) -> String {
        let at = &t.address;
        match self.stood_in.get(&t.instance) {
            Some(name) => format!(
                "{name} listens at {at} for another process, which is not seen: it has not started, or is in a container"
            ),
            None => format!(
                "no process on this machine is seen to listen at {at}: it runs elsewhere, or under a user whose files we \
                 may not read"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
