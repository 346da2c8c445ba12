//! Medians of paired ratios, and the CPU time and memory of a process tree.

use std::collections::BTreeMap;

/// Median, lowest and highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// `None` for no values.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut v: Vec<f64> = values.to_vec();
    v.sort_by(f64::total_cmp);
    let (low, high) = (*v.first()?, *v.last()?);
    let mid = v.len() / 2;
    let median = if v.len().is_multiple_of(2) {
        (v[mid - 1] + v[mid]) / 2.0
    } else {
        v[mid]
    };
    Some(Spread { median, low, high })
}

/// Turns of two in the order A B B A, so that drift within the four cancels; at least so many pairs.
pub fn in_turns<P: Copy, T>(
    [a, b]: [P; 2],
    pairs: usize,
    mut turn: impl FnMut(P) -> Result<T, String>,
) -> Result<Vec<(T, T)>, String> {
    let mut all = Vec::new();
    while all.len() < pairs {
        let (a1, b1) = (turn(a)?, turn(b)?);
        let (b2, a2) = (turn(b)?, turn(a)?);
        all.extend([(a1, b1), (a2, b2)]);
    }
    Ok(all)
}

/// Name of a thread, and seconds of CPU.
pub type Thread = (String, f64);

/// Seconds of CPU that a process and its descendants have used, by id of thread, from the scheduler's own counters.
pub fn cpu_by_thread(pid: u32) -> BTreeMap<u32, Thread> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut all: BTreeMap<u32, Thread> = (tasks.into_iter().flatten().flatten())
        .filter_map(|t| {
            let read = |file| std::fs::read_to_string(t.path().join(file)).ok();
            let ns: f64 = read("schedstat")?.split(' ').next()?.parse().ok()?;
            let name = read("comm")?.trim().to_owned();
            Some((t.file_name().to_str()?.parse().ok()?, (name, ns / 1e9)))
        })
        .collect();
    all.extend(children(pid).into_iter().flat_map(cpu_by_thread));
    all
}

/// What each thread has used between two readings.
pub fn used(before: &BTreeMap<u32, Thread>, after: &BTreeMap<u32, Thread>) -> Vec<Thread> {
    let then = |id| before.get(id).map_or(0.0, |(_, s)| *s);
    let each = after
        .iter()
        .map(|(id, (name, s))| (name.clone(), s - then(id)));
    each.collect()
}

/// Of the threads whose name begins so; of every thread with "".
pub fn cpu_of(threads: &[Thread], prefix: &str) -> f64 {
    let of = threads.iter().filter(|(name, _)| name.starts_with(prefix));
    of.map(|(_, s)| s).sum()
}

/// Seconds of CPU of the children of this process that have ended, to a hundredth.
pub fn children_cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold spaces; after it, cutime and cstime are the 14th and 15th.
    let after = text.rsplit_once(')').map_or("", |t| t.1);
    let ticks: f64 = after
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect()
}

/// Proportional memory of a process tree, KiB.
pub fn memory_kib(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let own = text
        .lines()
        .find_map(|l| {
            l.strip_prefix("Pss:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<f64>()
                .ok()
        })
        .unwrap_or(0.0);
    own + children(pid).into_iter().map(memory_kib).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_between_the_ends() {
        assert_eq!(
            spread(&[3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                low: 1.0,
                high: 3.0
            })
        );
        assert_eq!(spread(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn this_process_and_its_children_have_used_cpu_and_memory() {
        let before = children_cpu_seconds();
        let busy = ["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"];
        std::process::Command::new("sh")
            .args(busy)
            .status()
            .unwrap();
        assert!(children_cpu_seconds() > before);
        let pid = std::process::id();
        let all = used(&BTreeMap::new(), &cpu_by_thread(pid));
        assert!(cpu_of(&all, "") > 0.0 && memory_kib(pid) > 100.0);
        assert_eq!(cpu_of(&all, "no such thread"), 0.0);
    }
}
