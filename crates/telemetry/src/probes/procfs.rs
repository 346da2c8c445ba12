//! The `/proc` and `/sys` trees, wherever they are: tests bring their own.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// Largest file read, bytes. `/proc/net/tcp` of a busy host is the largest.
const MAX: u64 = 8 << 20;

/// What most files fit into with one read.
const SMALL: usize = 1024;

#[derive(Clone, Debug)]
pub struct Proc {
    pub proc: PathBuf,
    pub sys: PathBuf,
    /// The cores of this machine.
    pub cores: f64,
}

impl Proc {
    /// The machine we run on.
    pub fn host() -> Proc {
        let p = Proc {
            proc: "/proc".into(),
            sys: "/sys".into(),
            cores: 1.0,
        };
        let stat = p.read("stat").unwrap_or_default();
        let cores = stat
            .lines()
            .filter(|l| l.starts_with("cpu") && !l.starts_with("cpu "))
            .count();
        Proc {
            cores: cores.max(1) as f64,
            ..p
        }
    }

    /// A file below `/proc`; `None` when it is gone or forbidden.
    pub fn read(&self, path: &str) -> Option<String> {
        read(self.proc.join(path))
    }

    /// A file below `/sys`.
    pub fn read_sys(&self, path: &str) -> Option<String> {
        read(self.sys.join(path))
    }

    /// Numbered entries of a folder below `/proc`: processes or threads, at most `limit`.
    pub fn numbers(&self, folder: &str, limit: usize) -> Vec<u32> {
        let Ok(dir) = fs::read_dir(self.proc.join(folder)) else {
            return Vec::new();
        };
        dir.flatten()
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .take(limit)
            .collect()
    }

    /// The links in a folder and where they point, at most `limit`.
    pub fn links(&self, folder: &str, limit: usize) -> Vec<(String, String)> {
        let Ok(dir) = fs::read_dir(self.proc.join(folder)) else {
            return Vec::new();
        };
        let link = |e: fs::DirEntry| {
            let to = fs::read_link(e.path()).ok()?;
            Some((e.file_name().into_string().ok()?, to.display().to_string()))
        };
        dir.flatten().take(limit).filter_map(link).collect()
    }

    /// Where one link points.
    pub fn link(&self, path: &str) -> Option<String> {
        let to = fs::read_link(self.proc.join(path)).ok()?;
        Some(to.display().to_string())
    }
}

fn read(path: PathBuf) -> Option<String> {
    let mut bytes = Vec::with_capacity(SMALL);
    fs::File::open(path)
        .ok()?
        .take(MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// How many CPUs a list like `0-3,8` names.
pub fn list_len(list: &str) -> Option<u32> {
    let mut n = 0u32;
    for part in list.trim().split(',').filter(|p| !p.is_empty()) {
        let (a, b) = part.split_once('-').unwrap_or((part, part));
        let (a, b): (u32, u32) = (a.trim().parse().ok()?, b.trim().parse().ok()?);
        n = n.checked_add(b.checked_sub(a)?.checked_add(1)?)?;
    }
    (n > 0).then_some(n)
}

/// The value after `key:` in a status file.
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

/// Fields of `/proc/PID/stat` after the command, which may hold spaces and brackets; the first is the state.
pub fn stat_fields(text: &str) -> Vec<&str> {
    text.rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default()
}

#[cfg(test)]
pub mod fake {
    //! A made-up `/proc` in a temporary folder.

    use super::Proc;
    use crate::probes::{InstanceTarget, Targets};
    use base::InstanceIx;
    use std::fs;

    /// One instance of `shop`.
    pub fn shop() -> Targets {
        Targets {
            instances: vec![InstanceTarget {
                service: "shop".into(),
                instance: InstanceIx(0),
                address: "127.0.0.1:1".parse().unwrap(),
                pid: None,
            }],
            ..Targets::default()
        }
    }

    pub struct Fake {
        dir: tempfile::TempDir,
    }

    impl Default for Fake {
        fn default() -> Fake {
            Fake::new()
        }
    }

    impl Fake {
        pub fn new() -> Fake {
            Fake {
                dir: tempfile::tempdir().unwrap(),
            }
        }
        pub fn put(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        pub fn link(&self, path: &str, to: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        }
        pub fn remove(&self, path: &str) {
            fs::remove_dir_all(self.dir.path().join(path)).unwrap();
        }
        pub fn proc(&self, cores: f64) -> Proc {
            Proc {
                proc: self.dir.path().join("proc"),
                sys: self.dir.path().join("sys"),
                cores,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_fields_and_stat_lines() {
        assert_eq!(list_len("0-3,8\n"), Some(5));
        assert_eq!(
            (list_len(""), list_len("3-1"), list_len("x")),
            (None, None, None)
        );
        assert_eq!(field("Name:\ta b\nPPid:\t7\n", "PPid"), Some("7"));
        assert_eq!(stat_fields("12 (a) b) R 1 2")[..2], ["R", "1"]);
    }
}
