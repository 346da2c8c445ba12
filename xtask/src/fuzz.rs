//! `cargo xtask fuzz`: libFuzzer runs the targets of `fuzz/`. Stable Rust does: the compiler's own pass counts branches, and
//! `libfuzzer-sys` brings the rest, for which a C++ compiler is needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;
use xtask::run;

/// Built from few crates, in well under a minute; the test command runs these.
const SMALL: [&str; 6] = [
    "request_head",
    "response_head",
    "chunked_body",
    "round_trip",
    "config_text",
    "cache_headers",
];

/// Built from most of the workspace. The test command runs their properties over seeds, without instruments (`fuzz/tests/seeds.rs`).
const DEAR: [&str; 7] = [
    "access_log",
    "calendar",
    "cloud_event",
    "focus_bill",
    "otlp_request",
    "recording",
    "webhook_guard",
];

/// Per target in the test command.
const SECONDS: u32 = 10;
/// How much of the machine is taken.
struct Share {
    /// Targets that run at once.
    targets: usize,
    /// Of cargo; without it, as many jobs as there are cores.
    jobs: Option<&'static str>,
}

const ALONE: Share = Share {
    targets: 2,
    jobs: None,
};
/// In the test command, beside the rest of it.
const BESIDE: Share = Share {
    targets: 1,
    jobs: Some("1"),
};
/// The test command always begins the same, so that a change fails by what it changes. By hand each run begins anew.
const SEED: &str = "-seed=1";

/// Longest input, slowest execution, most memory: beyond is a finding.
const BOUNDS: [&str; 3] = ["-max_len=4096", "-timeout=5", "-rss_limit_mb=1024"];

/// What makes the compiler count branches and show comparisons, as libFuzzer wants them.
const INSTRUMENTS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

const FOLDER: &str = "target/fuzz";
/// Bytes of an input that are shown.
const SHOWN: usize = 2048;

/// The part of the test command.
pub fn check() -> Result<(), String> {
    if !run::want_cxx_compiler() {
        eprintln!("xtask: NOT FUZZED: there is no C++ compiler, and it cannot be installed");
        return Ok(());
    }
    fuzz(&SMALL, &BESIDE, SECONDS, &[SEED])
}

/// By hand: those named, or all.
pub fn run(names: &[String], seconds: u32) -> Result<(), String> {
    if !run::want_cxx_compiler() {
        return Err("a C++ compiler is missing (Debian: `apt-get install g++`)".into());
    }
    let all = || SMALL.into_iter().chain(DEAR);
    if let Some(bad) = names.iter().find(|n| !all().any(|t| t == **n)) {
        let all: Vec<_> = all().collect();
        return Err(format!("no target `{bad}`; there are: {}", all.join(", ")));
    }
    let wanted = all().filter(|t| names.is_empty() || names.iter().any(|n| n == t));
    fuzz(&wanted.collect::<Vec<_>>(), &ALONE, seconds, &[])
}

fn fuzz(targets: &[&str], share: &Share, seconds: u32, more: &[&str]) -> Result<(), String> {
    let binaries = build(targets, share)?;
    let queue = Mutex::new(targets.iter());
    let wrong = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.next();
    std::thread::scope(|s| {
        for _ in 0..share.targets {
            s.spawn(|| {
                while let Some(target) = next() {
                    match one(&binaries, target, seconds, more) {
                        Ok(done) => eprintln!("fuzz: {target}: {done}"),
                        Err(e) => wrong.lock().expect("nobody panics").push(e),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics");
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n\n")),
    }
}

/// Builds the targets; the folder where they are.
fn build(targets: &[&str], share: &Share) -> Result<PathBuf, String> {
    let host = host()?;
    let flags: Vec<String> = INSTRUMENTS.iter().map(|f| format!("{f:?}")).collect();
    let flags = format!("build.rustflags=[{}]", flags.join(","));
    let features = match targets.iter().any(|t| DEAR.contains(t)) {
        true => "libfuzzer,all",
        false => "libfuzzer",
    };
    // With a target named, build scripts and macros are built without instruments.
    let mut args = vec!["build", "--package", "fuzz", "--profile", "fuzz"];
    args.extend(["--no-default-features", "--features", features]);
    args.extend([
        "--target",
        &host,
        "--target-dir",
        FOLDER,
        "--config",
        &flags,
    ]);
    args.extend(share.jobs.iter().flat_map(|j| ["--jobs", j]));
    args.extend(targets.iter().flat_map(|t| ["--bin", t]));
    let began = Instant::now();
    run::cargo(&args)?;
    eprintln!("fuzz: built in {} s", began.elapsed().as_secs());
    Ok(Path::new(FOLDER).join(host).join("fuzz"))
}

/// The machine that the compiler builds for.
fn host() -> Result<String, String> {
    let out = Command::new("rustc").arg("-vV").output();
    let out = out.map_err(|e| format!("rustc does not start: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    let host = said.lines().find_map(|l| l.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or("rustc -vV names no host".into())
}

/// Runs one target; what it did, or what it found.
fn one(binaries: &Path, target: &str, seconds: u32, more: &[&str]) -> Result<String, String> {
    let (corpus, findings) = (folder("corpus", target)?, folder("findings", target)?);
    let binary = binaries.join(target);
    let out = Command::new(&binary)
        .args([&corpus, &Path::new("fuzz/seeds").join(target)])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1")
        .args(BOUNDS)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("`{}` does not start: {e}", binary.display()))?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        return Err(found(&binary, target, &said));
    }
    let number = |after: &str| {
        let (_, rest) = said.rsplit_once(after)?;
        rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let executed = number("stat::number_of_executed_units:").unwrap_or(0);
    let edges = number(" cov: ").unwrap_or(0);
    if executed == 0 || edges == 0 {
        return Err(format!(
            "{target} ran without instruments, or not at all:\n{said}"
        ));
    }
    Ok(format!("{executed} executions, {edges} edges, {seconds} s"))
}

fn folder(kind: &str, target: &str) -> Result<PathBuf, String> {
    let path = Path::new(FOLDER).join(kind).join(target);
    std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// The target, why it ended, the input, and how to see it again.
fn found(binary: &Path, target: &str, said: &str) -> String {
    let why: Vec<&str> = said
        .lines()
        .skip_while(|l| !l.contains("panicked at") && !l.contains("ERROR: libFuzzer"))
        .take_while(|l| !l.starts_with("    #"))
        .take(12)
        .collect();
    let why = match why.is_empty() {
        true => said
            .lines()
            .next_back()
            .unwrap_or("it says nothing")
            .to_owned(),
        false => why.join("\n"),
    };
    let written = said
        .lines()
        .find_map(|l| l.split("Test unit written to ").nth(1));
    let Some(path) = written.map(str::trim) else {
        return format!("fuzz: {target} ended without an input:\n{why}");
    };
    let input = std::fs::read(path).unwrap_or_default();
    let shown = &input[..input.len().min(SHOWN)];
    format!(
        "fuzz: {target} found an input ({} bytes) that breaks its property:\n{why}\n\
         input: b\"{}\"\n\
         again: {} {path}\n\
         to keep: a regression test beside what is mended, and the input in fuzz/seeds/{target}/",
        input.len(),
        shown.escape_ascii(),
        binary.display(),
    )
}
