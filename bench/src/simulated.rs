//! `cargo xtask bench simulated`: is the answer right, and are the numbers, on many made-up services?

use std::process::Command;

/// Draws, asks and judges; the example says how far it is.
pub fn run() -> Result<String, String> {
    let built = [
        "build",
        "--release",
        "-p",
        "model",
        "--example",
        "simulated",
    ];
    xtask::run::cargo(&built)?;
    let program = "target/release/examples/simulated";
    let done = Command::new(program)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("{program} does not start: {e}"))?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        false => Err(format!("{program} ended with {}", done.status)),
    }
}
