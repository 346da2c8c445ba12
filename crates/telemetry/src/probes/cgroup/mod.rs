//! What the control groups of the upstreams allow: CPU quota and throttling, versions 1 and 2, ancestors included.

use super::counter::Counters;
use super::{Probe, Proc, Reading};
use base::{InstanceIx, Signal};

/// Share of periods throttled above which the quota, not the cores, is what limits.
const THROTTLED: f64 = 0.01;
const DEPTH: usize = 32;

/// Where a process sits: the path of its CPU group in one of the two layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    V1(String),
    V2(String),
}

/// The group of a controller, such as `cpu`, from `/proc/PID/cgroup`. Version 1 wins where it has the controller, as on hybrid
/// machines. `None`, too, for one that lies outside of the groups that we see (`/../…`): its files are not ours.
pub fn group(text: &str, controller: &str) -> Option<Group> {
    let mut v2 = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if path.split('/').any(|part| part == "..") {
            continue;
        }
        if controllers.split(',').any(|c| c == controller) {
            return Some(Group::V1(path.to_owned()));
        }
        if controllers.is_empty() {
            v2 = Some(Group::V2(path.to_owned()));
        }
    }
    v2
}

/// The path in the tree of version 2, without slashes around it; empty: its root.
pub fn unified(text: &str) -> Option<String> {
    let path = text.lines().find_map(|l| l.strip_prefix("0::"))?;
    Some(path.trim_matches('/').to_owned())
}

/// A group's file in the first of some folders of `/sys/fs/cgroup` that has it.
pub fn read_any(proc: &Proc, folders: &[&str], path: &str, file: &str) -> Option<String> {
    let path = path.trim_matches('/');
    folders
        .iter()
        .find_map(|f| proc.read_sys(&format!("fs/cgroup/{f}{path}/{file}")))
}

/// Cores from `cpu.max` (`50000 100000`); `None` when not limited.
pub fn quota_v2(text: &str) -> Option<f64> {
    let mut parts = text.split_whitespace();
    let (quota, period) = (parts.next()?, parts.next()?);
    let (q, p): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (q > 0.0 && p > 0.0).then(|| q / p)
}

/// Cores from `cpu.cfs_quota_us` and `cpu.cfs_period_us`; a quota of -1 is no limit.
pub fn quota_v1(quota: &str, period: &str) -> Option<f64> {
    let (q, p): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (q > 0.0 && p > 0.0).then(|| q / p)
}

/// Counters of `cpu.stat`, both versions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stat {
    pub periods: f64,
    pub throttled: f64,
    pub throttled_s: f64,
    /// CPU seconds used, when the file tells (version 2).
    pub usage_s: Option<f64>,
}

pub fn stat(text: &str) -> Stat {
    let mut s = Stat::default();
    for line in text.lines() {
        let Some((key, v)) = line.split_once(' ') else {
            continue;
        };
        let Ok(v) = v.trim().parse::<f64>() else {
            continue;
        };
        match key {
            "nr_periods" => s.periods = v,
            "nr_throttled" => s.throttled = v,
            "throttled_usec" => s.throttled_s = v / 1e6,
            "throttled_time" => s.throttled_s = v / 1e9,
            "usage_usec" => s.usage_s = Some(v / 1e6),
            _ => {}
        }
    }
    s
}

/// The path and its ancestors. The last is the root (empty): the machine's, which has no limits, or in a container the
/// container's own group, which has them.
///
/// A path of version 1 in a container may be that of the host, whose folders are not there. Then the root is that of whoever asks,
/// which counts for its own group and what is below.
pub fn up<'a>(proc: &Proc, group: &'a Group, controller: &str) -> impl Iterator<Item = &'a str> {
    let (Group::V1(path) | Group::V2(path)) = group;
    let path = path.trim_matches('/');
    let ours = || {
        let text = proc.read("self/cgroup")?;
        let Some(Group::V1(own)) = self::group(&text, controller) else {
            return None;
        };
        let below = path.strip_prefix(own.trim_matches('/'))?;
        (below.is_empty() || below.starts_with('/')).then_some(())
    };
    let root = matches!(group, Group::V2(_)) || path.is_empty() || ours().is_some();
    std::iter::successors(Some(path), move |at| match at.rsplit_once('/') {
        Some((parent, _)) => Some(parent),
        None => (root && !at.is_empty()).then_some(""),
    })
    .take(DEPTH)
}

pub struct Cgroups {
    proc: Proc,
    counters: Counters<(InstanceIx, u8)>,
}

impl Cgroups {
    pub fn new(proc: Proc) -> Cgroups {
        Cgroups {
            proc,
            counters: Counters::default(),
        }
    }

    /// The tightest quota on the way up, and the counters of the group that has it.
    fn limit(&self, group: &Group) -> (Option<f64>, Option<Stat>) {
        let folders: &[&str] = match group {
            Group::V1(_) => &["cpu/", "cpu,cpuacct/", "cpuacct,cpu/"],
            Group::V2(_) => &["", "unified/"],
        };
        let mut tightest: Option<(f64, &str)> = None;
        let all: Vec<&str> = up(&self.proc, group, "cpu").collect();
        for &at in &all {
            let read = |file| read_any(&self.proc, folders, at, file);
            let quota = match group {
                Group::V2(_) => read("cpu.max").and_then(|t| quota_v2(&t)),
                Group::V1(_) => read("cpu.cfs_quota_us")
                    .zip(read("cpu.cfs_period_us"))
                    .and_then(|(q, p)| quota_v1(&q, &p)),
            };
            if let Some(q) = quota
                && tightest.is_none_or(|t| q < t.0)
            {
                tightest = Some((q, at));
            }
        }
        let count = |at| Some((at, read_any(&self.proc, folders, at, "cpu.stat")?));
        let counted = match tightest {
            Some((_, at)) => count(at),
            None => all.into_iter().find_map(count),
        };
        let counted = counted.map(|(at, t)| {
            let mut s = stat(&t);
            s.usage_s = s.usage_s.or_else(|| {
                let usage = read_any(
                    &self.proc,
                    &["cpuacct/", "cpu,cpuacct/", "cpuacct,cpu/"],
                    at,
                    "cpuacct.usage",
                )?;
                Some(usage.trim().parse::<f64>().ok()? / 1e9)
            });
            s
        });
        (tightest.map(|t| t.0), counted)
    }
}

impl Probe for Cgroups {
    fn name(&self) -> &'static str {
        "cgroup"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        for t in &targets.instances {
            let Some(pid) = r
                .found
                .get(&t.instance)
                .and_then(|f| f.pids.first().copied())
            else {
                continue;
            };
            let Some(group) = self
                .proc
                .read(&format!("{pid}/cgroup"))
                .and_then(|t| group(&t, "cpu"))
            else {
                r.blind(
                    "cgroup",
                    t.address.to_string(),
                    "its control group cannot be read",
                );
                continue;
            };
            let (quota, stat) = self.limit(&group);
            if let Some(f) = r.found.get_mut(&t.instance) {
                f.quota = quota;
            }
            let Some(stat) = stat else {
                if quota.is_none() {
                    let text =
                        "the files of its control group cannot be read: a quota of it is not seen";
                    r.blind("cgroup", t.address.to_string(), text);
                }
                continue;
            };
            let i = t.instance;
            let now = r.now;
            let periods = self.counters.rate((i, 0), now, stat.periods);
            let throttled = self.counters.rate((i, 1), now, stat.throttled);
            let seconds = self.counters.rate((i, 2), now, stat.throttled_s);
            let used = stat
                .usage_s
                .and_then(|u| self.counters.rate((i, 3), now, u));
            let (Some(p), Some(th), Some(quota)) = (periods, throttled, quota) else {
                continue;
            };
            if p > 0.0 {
                let name = format!("cpu.{}", t.service);
                r.signal(&name, i, Signal::Throttled, (th / p).min(1.0));
            }
            if th > THROTTLED * p && p > 0.0 {
                r.note(
                    "cgroup",
                    t.address.to_string(),
                    format!(
                        "throttled in {:.0} % of its periods, {:.2} s per second: the quota of {quota:.2} cores limits it, \
                         of which its group uses {:.2}",
                        100.0 * th / p,
                        seconds.unwrap_or(0.0),
                        used.unwrap_or(0.0)
                    ),
                );
            }
        }
        self.counters.forget_before(r.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::procfs::fake::Fake;
    use crate::probes::{Found, InstanceTarget, Targets};
    use base::{Names, Nanos};

    #[test]
    fn both_layouts_are_recognised() {
        let hybrid = "9:name=systemd:/\n2:cpuacct:/a\n1:cpu:/a\n0::/x\n";
        assert_eq!(group(hybrid, "cpu"), Some(Group::V1("/a".into())));
        assert_eq!(
            group("4:cpu,cpuacct:/b:c\n", "cpu"),
            Some(Group::V1("/b:c".into()))
        );
        assert_eq!(
            group("0::/system.slice/shop.service\n", "cpu"),
            Some(Group::V2("/system.slice/shop.service".into()))
        );
        assert_eq!(group("rubbish", "cpu"), None);
        assert_eq!(group("0::/../shop.slice\n", "cpu"), None, "outside");
        assert_eq!(
            (unified(hybrid), unified("1:cpu:/")),
            (Some("x".into()), None)
        );
        assert_eq!(quota_v2("max 100000\n"), None);
        assert_eq!(quota_v2("150000 100000\n"), Some(1.5));
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("50000\n", "100000\n"), Some(0.5));
        let s = stat(
            "usage_usec 2000000\nuser_usec 1\nnr_periods 10\nnr_throttled 3\nthrottled_usec 500000\n",
        );
        assert_eq!(
            (s.usage_s, s.throttled_s, s.throttled),
            (Some(2.0), 0.5, 3.0)
        );
        assert_eq!(
            stat("nr_periods 1\nthrottled_time 5000000000\n").throttled_s,
            5.0
        );
    }

    #[test]
    fn the_root_counts_for_whoever_it_is_the_group_of() {
        let f = Fake::new();
        f.put("proc/self/cgroup", "2:cpu:/docker/a\n");
        let all = |g: Group| {
            up(&f.proc(1.0), &g, "cpu")
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(all(Group::V2("/a/b".into())), ["a/b", "a", ""]);
        assert_eq!(all(Group::V2("/".into())), [""]);
        let own = ["docker/a/b", "docker/a", "docker", ""];
        assert_eq!(all(Group::V1("/docker/a/b".into())), own);
        assert_eq!(all(Group::V1("/docker/ab".into())), ["docker/ab", "docker"]);
    }

    fn read(probe: &mut Cgroups, at: f64) -> (Option<f64>, Vec<String>) {
        let targets = Targets {
            instances: vec![InstanceTarget {
                service: "shop".into(),
                instance: InstanceIx(0),
                address: "127.0.0.1:1".parse().unwrap(),
                pid: Some(7),
            }],
            ..Targets::default()
        };
        let names = Names::default();
        let mut r = Reading::new(Nanos::from_secs_f64(at), &targets, &names);
        r.found.insert(
            InstanceIx(0),
            Found {
                pids: vec![7],
                ..Found::default()
            },
        );
        probe.read(&mut r);
        (
            r.found[&InstanceIx(0)].quota,
            r.notes.into_iter().map(|n| n.text).collect(),
        )
    }

    #[test]
    fn an_ancestors_quota_counts_and_throttling_is_told() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "0::/app/one\n");
        f.put("sys/fs/cgroup/app/one/cpu.max", "max 100000\n");
        f.put("sys/fs/cgroup/app/cpu.max", "50000 100000\n");
        let stat = |p: u32, t: u32| {
            format!("usage_usec {p}000\nnr_periods {p}\nnr_throttled {t}\nthrottled_usec 0\n")
        };
        f.put("sys/fs/cgroup/app/cpu.stat", &stat(100, 0));
        let mut probe = Cgroups::new(f.proc(2.0));
        assert_eq!(read(&mut probe, 1.0), (Some(0.5), vec![]));
        f.put("sys/fs/cgroup/app/cpu.stat", &stat(110, 4));
        let (quota, notes) = read(&mut probe, 2.0);
        assert_eq!(quota, Some(0.5));
        assert!(notes[0].contains("throttled in 40 %"), "{notes:?}");
    }

    #[test]
    fn in_a_container_its_own_group_is_the_root() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "0::/\n");
        f.put("sys/fs/cgroup/cpu.max", "200000 100000\n");
        f.put("sys/fs/cgroup/cpu.stat", "usage_usec 1\n");
        let mut probe = Cgroups::new(f.proc(64.0));
        assert_eq!(read(&mut probe, 1.0), (Some(2.0), vec![]));
        f.remove("sys/fs/cgroup");
        let (quota, notes) = read(&mut probe, 2.0);
        assert!(quota.is_none() && notes[0].contains("cannot be read"));
    }

    #[test]
    fn version_one_is_read_from_its_own_folders() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "2:cpu,cpuacct:/d\n0::/\n");
        f.put("sys/fs/cgroup/cpu,cpuacct/d/cpu.cfs_quota_us", "120000\n");
        f.put("sys/fs/cgroup/cpu,cpuacct/d/cpu.cfs_period_us", "100000\n");
        assert_eq!(
            read(&mut Cgroups::new(f.proc(2.0)), 1.0),
            (Some(1.2), vec![])
        );
    }
}
