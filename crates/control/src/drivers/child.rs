//! One started process: starting it, asking after it, and ending it by its id and no other.

use crate::ledger::Started;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A port of this machine that is free now. Someone may take it first: then the process ends early and another is tried.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts `command` with `{port}` replaced, in a process group of its own, its output in `log`.
pub fn spawn(command: &[String], port: u16, log: &Path) -> io::Result<Child> {
    let mut words = command
        .iter()
        .map(|w| w.replace("{port}", &port.to_string()));
    let program = words
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let out = File::create(log)?;
    let err = out.try_clone()?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
}

/// Whether something accepts connections at `address` now.
pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// The last line of the log, to quote when the process has ended early.
pub fn last_line(log: &PathBuf) -> String {
    let tail = std::fs::read(log).unwrap_or_default();
    let tail = &tail[tail.len().saturating_sub(4096)..];
    String::from_utf8_lossy(tail)
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("it printed nothing")
        .trim()
        .to_owned()
}

/// When the process began, in clock ticks since boot; `None` when there is none.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows the last bracket does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Field 3 is the first here: state; a zombie has ended.
    if *fields.first()? == "Z" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Whether the very process that was started still runs.
pub fn runs(s: &Started) -> bool {
    start_ticks(s.pid) == Some(s.start_ticks)
}

/// Asks the process and its children to end.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    // An error means that it has ended already.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, signal);
    }
}
