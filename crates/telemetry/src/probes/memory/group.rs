//! What a control group may have of memory and what it has, versions 1 and 2.

use crate::probes::cgroup::{self, read_any, up};
use crate::probes::{Proc, cgroup::Group};

/// A limit of version 1 above this is none: it counts in pages up to 2^63.
const UNLIMITED: f64 = 1e18;

/// One group, bytes; counters since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// The tightest limit on the way up.
    pub limit: Option<f64>,
    /// Held where that limit is, without file pages that can be thrown out at once.
    pub used: f64,
    pub refaults: Option<f64>,
    pub majors: Option<f64>,
}

struct Layout {
    folders: &'static [&'static str],
    limit: &'static str,
    current: &'static str,
    /// What counts the groups below as well.
    prefix: &'static str,
}

const V1: Layout = Layout {
    folders: &["memory/"],
    limit: "memory.limit_in_bytes",
    current: "memory.usage_in_bytes",
    prefix: "total_",
};
const V2: Layout = Layout {
    folders: &["", "unified/"],
    limit: "memory.max",
    current: "memory.current",
    prefix: "",
};

/// Bytes; `max` and what is absurdly large are no limit.
fn limit(text: &str) -> Option<f64> {
    let v: f64 = text.trim().parse().ok()?;
    (v > 0.0 && v < UNLIMITED).then_some(v)
}

/// The value of a key of `memory.stat` or `/proc/vmstat`.
fn stat(text: &str, key: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(' '));
    line?.trim().parse().ok()
}

/// Pages read again that had been thrown out; older kernels do not tell anonymous ones apart.
pub fn refaults(text: &str, prefix: &str) -> Option<f64> {
    let of = |kind: &str| stat(text, &format!("{prefix}workingset_refault{kind}"));
    match (of("_anon"), of("_file")) {
        (None, None) => of(""),
        (a, f) => Some(a.unwrap_or(0.0) + f.unwrap_or(0.0)),
    }
}

pub fn majors(text: &str, prefix: &str) -> Option<f64> {
    stat(text, &format!("{prefix}pgmajfault"))
}

/// `Ok(None)`: the process is in the root group, and the host's memory is its own. `Err` says why nothing is known.
pub fn read(proc: &Proc, pid: u32) -> Result<Option<Memory>, String> {
    let text = proc.read(&format!("{pid}/cgroup"));
    let group = text.and_then(|t| cgroup::group(&t, "memory"));
    let Some(group) = group else {
        return Err("its control group cannot be read".into());
    };
    let (layout, path) = match &group {
        Group::V1(p) => (V1, p),
        Group::V2(p) => (V2, p),
    };
    let file = |at: &str, name: &str| read_any(proc, layout.folders, at, name);
    let own = path.trim_matches('/');
    let mut tightest: Option<(f64, &str)> = None;
    let all: Vec<&str> = up(proc, &group, "memory").collect();
    for &at in &all {
        if let Some(l) = file(at, layout.limit).and_then(|t| limit(&t))
            && tightest.is_none_or(|t| l < t.0)
        {
            tightest = Some((l, at));
        }
    }
    if own.is_empty() && tightest.is_none() {
        return Ok(None);
    }
    let there = |at: &&str| file(at, layout.current).is_some();
    let at = match tightest {
        Some((_, at)) => at,
        None => all.into_iter().find(there).unwrap_or(own),
    };
    let current = file(at, layout.current).and_then(|t| t.trim().parse::<f64>().ok());
    let (Some(current), Some(text)) = (current, file(at, "memory.stat")) else {
        return Err(format!("{at}/{} cannot be read", layout.current));
    };
    let files = stat(&text, &format!("{}inactive_file", layout.prefix)).unwrap_or(0.0);
    Ok(Some(Memory {
        limit: tightest.map(|t| t.0),
        used: (current - files).max(0.0),
        refaults: refaults(&text, layout.prefix),
        majors: majors(&text, layout.prefix),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::procfs::fake::Fake;

    /// As a kernel of version 6 writes it, cut.
    const STAT: &str = "anon 3000\nfile 2000\ninactive_anon 1\ninactive_file 500\nworkingset_refault_anon 7\n\
                        workingset_refault_file 30\npgfault 90\npgmajfault 4\n";

    #[test]
    fn the_tightest_limit_counts_with_what_is_held_there() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "0::/app/one\n");
        let at = |path: &str, max: &str, current: &str| {
            f.put(&format!("sys/fs/cgroup/{path}/memory.max"), max);
            f.put(&format!("sys/fs/cgroup/{path}/memory.current"), current);
            f.put(&format!("sys/fs/cgroup/{path}/memory.stat"), STAT);
        };
        at("app/one", "max\n", "5000\n");
        at("app", "10000\n", "8000\n");
        let found = read(&f.proc(1.0), 7).unwrap().unwrap();
        assert_eq!((found.limit, found.used), (Some(10000.0), 7500.0));
        assert_eq!((found.refaults, found.majors), (Some(37.0), Some(4.0)));
        at("app", "max\n", "8000\n");
        let found = read(&f.proc(1.0), 7).unwrap().unwrap();
        assert_eq!((found.limit, found.used), (None, 4500.0), "its own group");
    }

    #[test]
    fn version_one_counts_with_the_groups_below() {
        let f = Fake::new();
        f.put("proc/7/cgroup", "4:memory:/app\n1:cpu:/\n0::/\n");
        let put = |name: &str, text: &str| f.put(&format!("sys/fs/cgroup/memory/app/{name}"), text);
        put("memory.limit_in_bytes", "9223372036854771712\n");
        put("memory.usage_in_bytes", "4000\n");
        put(
            "memory.stat",
            "inactive_file 1\ntotal_inactive_file 1000\ntotal_pgmajfault 89\n",
        );
        let found = read(&f.proc(1.0), 7).unwrap().unwrap();
        let expected = Memory {
            limit: None,
            used: 3000.0,
            refaults: None,
            majors: Some(89.0),
        };
        assert_eq!(found, expected);
        put("memory.limit_in_bytes", "6000\n");
        assert_eq!(read(&f.proc(1.0), 7).unwrap().unwrap().limit, Some(6000.0));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let f = Fake::new();
        assert!(read(&f.proc(1.0), 7).unwrap_err().contains("control group"));
        f.put("proc/7/cgroup", "0::/app\n");
        assert!(
            read(&f.proc(1.0), 7)
                .unwrap_err()
                .contains("app/memory.current")
        );
        f.put("proc/7/cgroup", "0::/\n");
        assert_eq!(read(&f.proc(1.0), 7), Ok(None));
    }

    #[test]
    fn this_machines_own_group_can_be_read_or_says_why() {
        match read(&Proc::host(), std::process::id()) {
            Ok(Some(m)) => assert!(m.used >= 0.0 && m.limit.is_none_or(|l| l > 0.0)),
            Ok(None) => {}
            Err(why) => assert!(!why.is_empty()),
        }
    }
}
