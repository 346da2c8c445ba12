//! Running other programs, saying what ran.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

/// Runs cargo with these arguments in the workspace; an exit status other than 0 is an error.
pub fn cargo(args: &[&str]) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    eprintln!("+ cargo {}", args.join(" "));
    let mut command = Command::new(cargo);
    // What cargo tells its `run` of this crate; build scripts that look at it would build anew, and again without it.
    let told = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
    ];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|t| name.to_string_lossy().starts_with(t)) {
            command.env_remove(name);
        }
    }
    let status = command.args(args).status();
    ended(status, &format!("cargo {}", args.join(" ")))
}

/// Runs a program of this workspace that is built; an exit status other than 0 is an error, which ends with the program's last
/// words: others may have spoken since.
pub fn program(path: &str, args: &[&str]) -> Result<(), String> {
    let shown = format!("{path} {}", args.join(" "));
    eprintln!("+ {shown}");
    let child = Command::new(path).args(args).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| no_start(&shown, &e))?;
    let mut last = String::new();
    for line in child.stderr.take().into_iter().flat_map(lines) {
        eprintln!("{line}");
        if !line.trim().is_empty() {
            last = line;
        }
    }
    ended(child.wait(), &shown).map_err(|e| format!("{e}: {last}"))
}

/// Until the end, or until it cannot be read any more.
fn lines(from: impl std::io::Read) -> impl Iterator<Item = String> {
    let lossy = |line: Vec<u8>| String::from_utf8_lossy(&line).into_owned();
    BufReader::new(from)
        .split(b'\n')
        .map_while(Result::ok)
        .map(lossy)
}

fn no_start(shown: &str, e: &std::io::Error) -> String {
    format!("`{shown}` does not start: {e}")
}

fn ended(status: std::io::Result<ExitStatus>, shown: &str) -> Result<(), String> {
    let status = status.map_err(|e| no_start(shown, &e))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{shown}` ended with {status}")),
    }
}

/// Runs what installs something, without a word; the error is the last line that it said.
pub fn quietly(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("`{program}` does not start: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    let last = said.lines().next_back().unwrap_or("nothing was said");
    Err(format!("`{program}`: {last}"))
}

/// The bundled SQLite is C. Installs a compiler on Debian as root, else says what is missing.
pub fn need_c_compiler() -> Result<(), String> {
    if works("cc", &["--version"]) || install("gcc", &["gcc", "libc6-dev"]) {
        return Ok(());
    }
    Err(
        "a C compiler is missing: install gcc or clang (Debian: `apt-get install gcc libc6-dev`)"
            .into(),
    )
}

/// libFuzzer is C++. Installs a compiler on Debian as root; without one nothing is fuzzed.
pub fn want_cxx_compiler() -> bool {
    works("c++", &["--version"]) || install("c++", &["g++"])
}

/// Programs that some tests talk to: a name, what makes it say that it is there, and Debian's package.
const PEERS: [(&str, &str, &str); 7] = [
    ("haproxy", "-v", "haproxy"),
    ("pg_lsclusters", "--help", "postgresql"),
    ("pebble", "-h", "pebble"),
    ("redis-server", "--version", "redis-server"),
    ("promtool", "--version", "prometheus"),
    (
        "prometheus-alertmanager",
        "--version",
        "prometheus-alertmanager",
    ),
    ("chromium", "--version", "chromium"),
];

/// Installs those that are missing. Without one its tests say so and pass; the rest is not held up.
pub fn want_peers() {
    let missing = PEERS.iter().filter(|p| !works(p.0, &[p.1]));
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        works("apt-get", &["update", "-qq"]);
    }
    for (program, _, package) in missing {
        if !add(program, &[package]) {
            eprintln!("xtask: NOT TESTED with {program}: it is not installed and cannot be");
        }
    }
}

/// On Debian, as root.
fn install(program: &str, packages: &[&str]) -> bool {
    works("apt-get", &["update", "-qq"]) && add(program, packages)
}

/// Of what `apt-get` knows by now.
fn add(program: &str, packages: &[&str]) -> bool {
    let shown = packages.join(" ");
    eprintln!("no `{program}`: trying `apt-get install {shown}`");
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    works("apt-get", &[&install[..], packages].concat())
}

fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_last_words_are_in_its_error() {
        let said = |script: &str| program("sh", &["-c", script]);
        assert_eq!(said("echo fine >&2"), Ok(()));
        let error = said("echo first >&2; echo why >&2; echo >&2; exit 3").unwrap_err();
        assert!(error.ends_with("ended with exit status: 3: why"), "{error}");
    }
}
