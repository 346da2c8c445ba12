//! Packages of npm for tests against what others have built.

use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::run::quietly;

/// Installs `name@version` packages into a folder, unless they are there.
///
/// # Errors
/// What is missing to get them.
pub fn install(folder: &Path, packages: &[&str]) -> Result<(), String> {
    for program in ["node", "npm"] {
        if Command::new(program).arg("--version").output().is_err() {
            return Err(format!("`{program}` is not installed"));
        }
    }
    let installed = || packages.iter().all(|package| is_installed(folder, package));
    if installed() {
        return Ok(());
    }
    let names = packages.join(" ");
    eprintln!("+ npm install {names} (into {})", folder.display());
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-save",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
    ]);
    quietly(npm.arg(folder).args(packages))
        .map_err(|why| format!("cannot install {names}: {why}"))?;
    match installed() {
        true => Ok(()),
        false => Err(format!("npm has not installed {names}")),
    }
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
