//! The machine and the versions that a result belongs to, and what a run asks of the machine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

/// Lines for a report: processor, kernel, and the programs that took part.
pub fn describe(plimsoll: &std::path::Path) -> String {
    let versions = [
        said(plimsoll.to_str().unwrap_or(""), &["--version"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("haproxy", &["-v"]),
        said("nginx", &["-v"]),
        said("varnishd", &["-V"]),
        said("rustc", &["--version"]),
    ];
    format!(
        "{}; Linux {}; TCP congestion control {}.\n{}.\n",
        processor(),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
        versions.join("; ")
    )
}

/// The processor, its cores, and whether it is a virtual one.
pub fn processor() -> String {
    let info = read("/proc/cpuinfo");
    let name = info
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':'))
        .map_or("processor unknown", |(_, n)| n.trim());
    let virtual_machine = match info.contains("hypervisor") {
        true => ", virtual machine",
        false => "",
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{name}, {cores} cores{virtual_machine}")
}

/// A folder for one run, gone with it. Servers that give up their rights may look into it.
pub fn folder() -> Result<TempDir, String> {
    tempfile::Builder::new()
        .prefix("plimsoll-bench-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .map_err(|e| format!("no folder for temporary files: {e}"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The first line that a program prints.
fn said(program: &str, args: &[&str]) -> String {
    let Ok(out) = Command::new(program).args(args).output() else {
        return format!("no {program}");
    };
    let text = [out.stdout, out.stderr].concat();
    let line = String::from_utf8_lossy(&text);
    let line = line.lines().next().unwrap_or("").trim();
    line.trim_end_matches(" - https://haproxy.org/").to_owned()
}

/// Lets this process and its children open as many files as the system allows.
pub fn open_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let all = getrlimit(Resource::Nofile).maximum;
    // Without it, fewer connections can be opened, and the run says so.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: all,
            maximum: all,
        },
    );
}

/// Puts this session before others of the machine while it lives, where the system groups by session and permits it.
pub struct First;

impl First {
    pub fn now() -> First {
        let _ = std::fs::write("/proc/self/autogroup", "-20");
        First
    }
}

impl Drop for First {
    fn drop(&mut self) {
        let _ = std::fs::write("/proc/self/autogroup", "0");
    }
}
