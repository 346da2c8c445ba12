//! Packages of npm for tests against what others have built.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs `name@version` packages into a folder, unless they are there; the inner error is what is missing to get them.
pub fn install(folder: &Path, packages: &[&str]) -> Result<Result<(), String>, String> {
    for program in ["node", "npm"] {
        if Command::new(program).arg("--version").output().is_err() {
            return Ok(Err(format!("`{program}` is not installed")));
        }
    }
    let installed = || packages.iter().all(|package| is_installed(folder, package));
    if installed() {
        return Ok(Ok(()));
    }
    let names = packages.join(" ");
    eprintln!("+ npm install {names} (into {})", folder.display());
    let done = Command::new("npm")
        .args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ])
        .arg(folder)
        .args(packages)
        .output()
        .map_err(|e| format!("npm does not start: {e}"))?;
    if done.status.success() && installed() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().next_back().unwrap_or("nothing was said");
    Ok(Err(format!("npm cannot install {names}: {last}")))
}

fn is_installed(folder: &Path, package: &str) -> bool {
    let Some((name, version)) = package.rsplit_once('@') else {
        return false;
    };
    let manifest = folder.join("node_modules").join(name).join("package.json");
    let manifest = std::fs::read_to_string(manifest).unwrap_or_default();
    manifest.contains(&format!("\"version\": \"{version}\""))
}

/// The same path, whatever the working folder of who is told it.
pub fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))
}
