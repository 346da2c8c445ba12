//! `cargo xtask bench model`: what learning costs, and how far it is from the truth beside textbook estimators.

use std::process::Command;

/// Example program, its package, arguments.
const PARTS: [(&str, &str, &str); 3] = [
    ("cost", "telemetry", ""),
    ("refit", "model", "15"),
    ("estimators", "model", "18"),
];

/// Runs the examples that measure and joins what they print.
pub fn run() -> Result<String, String> {
    let mut out = String::new();
    for (example, package, argument) in PARTS {
        xtask::run::cargo(&["build", "--release", "-p", package, "--example", example])?;
        let program = format!("target/release/examples/{example}");
        let done = Command::new(&program)
            .args((!argument.is_empty()).then_some(argument))
            .output()
            .map_err(|e| format!("{program} does not start: {e}"))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(format!("{program} ended with {}: {said}", done.status));
        }
        out.push_str(&String::from_utf8_lossy(&done.stdout));
        out.push('\n');
    }
    Ok(out)
}
