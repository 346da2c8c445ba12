//! Who runs on which core: what is measured has one to itself.

use std::ffi::OsStr;
use std::process::Command;

/// Keeps the calling thread on one core.
///
/// # Errors
/// The machine has no such core.
pub fn pin(core: usize) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).map_err(|e| format!("core {core} is needed: {e}"))
}

/// A command that will run on one core.
pub fn on(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
