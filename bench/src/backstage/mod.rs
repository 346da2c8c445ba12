//! Backstage's own model (npm `@backstage/catalog-model`) validates what `plimsoll catalog init --backstage` writes.

use super::npm;
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "target/backstage";
const PACKAGES: &[&str] = &["@backstage/catalog-model@1.10.1", "yaml@2.9.0"];
const CHECK: &str = include_str!("check.mjs");
const EXAMPLE: &str = "examples/catalog/plimsoll.yaml";

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    if let Err(why) = npm::install(&folder, PACKAGES) {
        eprintln!("SKIPPED, NOT PASSED: Backstage's model was not asked: {why}");
        return Ok(());
    }
    let script = folder.join("check.mjs");
    std::fs::write(&script, CHECK).map_err(|e| format!("{}: {e}", script.display()))?;
    let mut writes = Command::new(npm::absolute(plimsoll)?)
        .args(["catalog", "init", "--backstage", "--config", EXAMPLE])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("plimsoll does not start: {e}"))?;
    let text = writes.stdout.take().ok_or("plimsoll has no output")?;
    let out = Command::new("node")
        .arg(&script)
        .arg(&folder)
        .stdin(text)
        .output();
    let out = out.map_err(|e| format!("node does not start: {e}"))?;
    let written = writes.wait().map_err(|e| format!("plimsoll: {e}"))?;
    if !written.success() || !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("Backstage does not take the catalog: {said}"));
    }
    let count = String::from_utf8_lossy(&out.stdout);
    eprintln!(
        "Backstage's model takes all {} entities of the example",
        count.trim()
    );
    Ok(())
}
