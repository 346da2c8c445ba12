//! Which local process listens at an instance's address, and its children. From `/proc/net/{tcp,tcp6,unix}` the
//! socket's inode, from `/proc/*/fd` who holds it. Remembered until the process is gone; the search itself is bounded.

mod tables;

use super::{Found, Probe, Proc, Reading, procfs};
use base::{InstanceIx, Nanos};
use config::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PROCESSES: usize = 4096;
const FILES: usize = 65_536;
const CHILDREN: usize = 256;
/// A search is made at most this often, and the tree of processes read again as often.
const AGAIN: Duration = Duration::from_secs(5);

pub struct Listeners {
    proc: Proc,
    owner: BTreeMap<InstanceIx, u32>,
    children: BTreeMap<u32, Vec<u32>>,
    searched: Option<Nanos>,
    treed: Option<Nanos>,
}

impl Listeners {
    pub fn new(proc: Proc) -> Listeners {
        Listeners {
            proc,
            owner: BTreeMap::new(),
            children: BTreeMap::new(),
            searched: None,
            treed: None,
        }
    }

    /// Looks for the instances that nobody is known to serve.
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
        for t in &r.targets.instances {
            if t.pid.is_none() && !self.owner.contains_key(&t.instance) {
                for inode in listening(&t.address) {
                    wanted.entry(inode).or_default().push(t.instance);
                }
            }
        }
        if wanted.is_empty() {
            return;
        }
        let mut pids = self.proc.numbers("", PROCESSES);
        // The oldest holder is the master when a server forks after it listens.
        pids.sort_unstable();
        for pid in pids {
            for link in self.proc.links(&format!("{pid}/fd"), FILES) {
                if let Some(inode) = tables::inode(&link) {
                    for i in wanted.remove(&inode).unwrap_or_default() {
                        self.owner.insert(i, pid);
                    }
                }
            }
            if wanted.is_empty() {
                return;
            }
        }
    }

    fn alive(&self, pid: u32) -> bool {
        self.proc
            .read(&format!("{pid}/stat"))
            .is_some_and(|s| !matches!(procfs::stat_fields(&s).first(), None | Some(&"Z" | &"X")))
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
        let due = |last: Option<Nanos>| last.is_none_or(|l| r.now.since(l) >= AGAIN);
        let gone: Vec<InstanceIx> = self
            .owner
            .iter()
            .filter(|(i, pid)| {
                !r.targets.instances.iter().any(|t| t.instance == **i) || !self.alive(**pid)
            })
            .map(|(i, _)| *i)
            .collect();
        for i in &gone {
            self.owner.remove(i);
        }
        let unknown = r
            .targets
            .instances
            .iter()
            .any(|t| t.pid.is_none() && !self.owner.contains_key(&t.instance));
        if unknown && (due(self.searched) || !gone.is_empty()) {
            self.searched = Some(r.now);
            self.search(r);
        }
        if due(self.treed) || !gone.is_empty() {
            self.treed = Some(r.now);
            self.tree();
        }
        let roots: BTreeMap<InstanceIx, u32> = r
            .targets
            .instances
            .iter()
            .filter_map(|t| {
                let pid = t.pid.or_else(|| self.owner.get(&t.instance).copied())?;
                Some((t.instance, pid))
            })
            .collect();
        let all: BTreeSet<u32> = roots
            .values()
            .copied()
            .chain([std::process::id()])
            .collect();
        let targets = r.targets;
        for t in &targets.instances {
            match roots.get(&t.instance) {
                Some(&pid) => {
                    let pids = family(pid, &self.children, &all);
                    r.found.insert(
                        t.instance,
                        Found {
                            pids,
                            ..Found::default()
                        },
                    );
                }
                None => r.blind(
                    "listeners",
                    t.address.to_string(),
                    format!(
                        "no process on this machine is seen to listen at {}: it runs elsewhere, or under a user whose \
                         files we may not read",
                        t.address
                    ),
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests;
