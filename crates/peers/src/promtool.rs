//! Prometheus' own checker of rules and metrics.

use std::io::Write;
use std::process::{Command, Stdio};

const MISSING: &str = "promtool is missing: install it (Debian: `apt-get install prometheus`)";

/// Runs it with this on its standard input; what it says, and whether it was content.
pub fn promtool(args: &[&str], input: &str) -> Result<(bool, String), String> {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{MISSING} ({e})"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended for a reason that it tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let out = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = [out.stdout, out.stderr].concat();
    Ok((
        out.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
