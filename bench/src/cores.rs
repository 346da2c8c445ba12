//! Who runs on which core: what is measured has one to itself.

use std::ffi::OsStr;
use std::process::Command;

/// Keeps the calling thread on one core.
///
/// # Errors
/// The machine has no such core.
pub fn pin(core: usize) -> Result<(), String> {
    keep_on([core])
}

/// Keeps the calling thread, and what it starts, on these cores.
///
/// # Errors
/// The machine has none of them.
pub fn keep_on<const N: usize>(cores: [usize; N]) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    cores.into_iter().for_each(|core| set.set(core));
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|e| format!("core {cores:?} is needed: {e}"))
}

/// A command that will run on one core.
pub fn on(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
