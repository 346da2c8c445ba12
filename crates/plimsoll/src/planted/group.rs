//! Limits that a scenario plants around a process, by control groups of our own; versions 1 and 2.

use crate::exit::Failure;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const GROUPS: &str = "/sys/fs/cgroup";
/// The period of a quota, microseconds.
const PERIOD: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Millicores.
    Quota(u64),
    /// Megabytes held, files in memory included.
    Memory(u64),
    /// Kilobytes written to the disk per second.
    Writes(u64),
    /// Reads of the disk per second.
    Reads(u64),
}

/// The controller of version 1 and of version 2, and for each the files and what they say.
struct Files {
    controllers: [&'static str; 2],
    v1: Vec<(&'static str, String)>,
    v2: Vec<(&'static str, String)>,
}

impl Limit {
    fn files(self, pid: u32) -> io::Result<Files> {
        let disk = |file, key: &str, n: u64| {
            let of = device(pid)?;
            io::Result::Ok(Files {
                controllers: ["blkio", "io"],
                v1: vec![(file, format!("{of} {n}"))],
                v2: vec![("io.max", format!("{of} {key}={n}"))],
            })
        };
        Ok(match self {
            Limit::Quota(m) => {
                let quota = m * PERIOD / 1000;
                Files {
                    controllers: ["cpu", "cpu"],
                    v1: vec![
                        ("cpu.cfs_period_us", PERIOD.to_string()),
                        ("cpu.cfs_quota_us", quota.to_string()),
                    ],
                    v2: vec![("cpu.max", format!("{quota} {PERIOD}"))],
                }
            }
            Limit::Memory(mb) => {
                let bytes = (mb << 20).to_string();
                Files {
                    controllers: ["memory", "memory"],
                    v1: vec![("memory.limit_in_bytes", bytes.clone())],
                    v2: vec![("memory.max", bytes)],
                }
            }
            Limit::Writes(kb) => disk("blkio.throttle.write_bps_device", "wbps", kb << 10)?,
            Limit::Reads(n) => disk("blkio.throttle.read_iops_device", "riops", n)?,
        })
    }
}

/// The whole disk that a process works on, `254:0`.
fn device(pid: u32) -> io::Result<String> {
    let dev = std::fs::metadata(format!("/proc/{pid}/cwd"))?.dev();
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let at = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let whole = match at.join("partition").exists() {
        true => at.canonicalize()?.join("../dev"),
        false => at.join("dev"),
    };
    Ok(std::fs::read_to_string(whole)?.trim().to_owned())
}

/// A process and its children with limits. Who is still there when it is dropped goes back to where it was.
pub struct Group {
    root: u32,
    /// Each with the group where the processes were before.
    folders: Vec<(PathBuf, PathBuf)>,
}

impl Group {
    /// Without a limit yet.
    pub fn around(root: u32) -> Group {
        Group {
            root,
            folders: Vec::new(),
        }
    }

    pub fn limit(&mut self, limit: Limit) -> Result<(), Failure> {
        self.set(limit).map_err(|e| {
            Failure::new(format!("no control group can be made for {limit:?}: {e}"))
                .help("this scenario needs a writable /sys/fs/cgroup: run it as root on a machine of its own")
        })
    }

    fn set(&mut self, limit: Limit) -> io::Result<()> {
        let root = self.root;
        let files = limit.files(root)?;
        let [v1, v2] = files.controllers;
        let folder = Path::new(GROUPS).join(v1);
        let (above, files) = match folder.is_dir() {
            true => (folder, files.v1),
            false => {
                // Groups below have a controller only when it is handed down.
                let down = Path::new(GROUPS).join("cgroup.subtree_control");
                std::fs::write(down, format!("+{v2}"))?;
                (PathBuf::from(GROUPS), files.v2)
            }
        };
        let group = above.join(format!("plimsoll-planted-{}", std::process::id()));
        let new = !self.folders.iter().any(|f| f.0 == group);
        if new {
            std::fs::create_dir(&group)?;
            self.folders.push((group.clone(), home(root, &above)?));
        }
        for (file, value) in files {
            std::fs::write(group.join(file), value)?;
        }
        if !new {
            return Ok(());
        }
        let procs = group.join("cgroup.procs");
        std::fs::write(&procs, root.to_string())?;
        // What it starts from here on is in the group by itself.
        let children = std::fs::read_to_string(format!("/proc/{root}/task/{root}/children"))?;
        for pid in children.split_whitespace() {
            // It may have ended meanwhile.
            let _ = std::fs::write(&procs, pid);
        }
        Ok(())
    }
}

/// The group of the tree below `above` that a process is in.
fn home(pid: u32, above: &Path) -> io::Result<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let controller = above.file_name().unwrap_or_default().to_string_lossy();
    let path = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let here = match above == Path::new(GROUPS) {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|c| c == controller),
        };
        here.then(|| above.join(path.trim_start_matches('/')))
    };
    Ok(text
        .lines()
        .find_map(path)
        .unwrap_or_else(|| above.to_owned()))
}

impl Drop for Group {
    fn drop(&mut self) {
        for (folder, home) in &self.folders {
            let left = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in left.lines() {
                // Whoever has ended meanwhile needs no group.
                let _ = std::fs::write(home.join("cgroup.procs"), pid);
            }
            // If somebody is in it after all, it stays and its limits with it: the next run would say that it is there.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
