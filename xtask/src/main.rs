//! What contributors run: `cargo xtask test`, `cargo xtask lint`, `cargo xtask ci`. It is built first and alone, so that it imports little;
//! what measures and talks to real clients is the crate `bench`.

mod directions;
mod fuzz;

use clap::{Parser, Subcommand};
use xtask::run::{self, cargo};

#[derive(Parser)]
#[command(about = "Contributor commands of Plimsoll")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test of the workspace (needs Rust, a C compiler, PostgreSQL, Redis and nats-server: installed where apt and pip can), and those against
    /// what npm and PyPI have where node and python3 are installed; fuzz what reads
    /// heads and configuration, where there is a C++ compiler
    Test,
    /// Formatting, clippy with warnings as errors, and which crate may import which
    Lint,
    /// Measure in one run, against peers or the truth: `cargo xtask bench --help` tells what there is
    #[command(disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Have libFuzzer look for inputs that break a property of `fuzz/` (needs a C++ compiler)
    Fuzz {
        /// Which targets; all when left out
        targets: Vec<String>,
        /// For each target; two run at once
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// What continuous integration runs: lint, then test
    Ci,
}

fn main() -> std::process::ExitCode {
    let done = match Cli::parse().command {
        Command::Test => test(),
        Command::Lint => lint(),
        Command::Bench { args } => bench(&args),
        Command::Fuzz { targets, seconds } => fuzz::run(&targets, seconds),
        Command::Ci => lint().and_then(|()| test()),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Every engine: what the default build leaves out is tested, too.
const FULL: &str = "plimsoll/full";

fn test() -> Result<(), String> {
    run::need_c_compiler()?;
    // What the tests talk to comes over the network while the compiler works.
    // The same packages and features as the tests', so that nothing is built twice.
    let build = || cargo(&["build", "--workspace", "--features", FULL]);
    beside(
        || {
            run::want_peers();
            Ok(())
        },
        build,
    )?;
    run::program("target/debug/bench", &["install"])?;
    let tests = ["test", "--workspace", "--features", FULL];
    cargo(&[&tests[..], &["--no-run"]].concat())?;
    // It learns from live traffic for minutes, and computes next to nothing: beside the others, or nobody would wait for it.
    let live = || cargo(&[&tests[..], &["--test", "live"]].concat());
    beside(live, || cargo(&tests))?;
    // Real clients wait more than they compute: one core is left for the fuzz targets.
    beside(fuzz::check, || {
        run::program("target/debug/bench", &["check"])
    })
}

/// Both at once; the first error, once both have ended.
fn beside(
    other: impl FnOnce() -> Result<(), String> + Send,
    main: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    std::thread::scope(|s| {
        let other = s.spawn(other);
        let done = main();
        let other = other.join().map_err(|_| "a thread panicked")?;
        done.and(other)
    })
}

fn lint() -> Result<(), String> {
    directions::check()?;
    cargo(&["fmt", "--all", "--check"])?;
    // The default build, which has no engine but the embedded one: by clippy, so that what both have in common is read once.
    cargo(&["clippy", "--package", "plimsoll", "--", "-D", "warnings"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        FULL,
        "--",
        "-D",
        "warnings",
    ])
}

/// What drives the proxies that are measured must outrun them: a release build.
fn bench(args: &[String]) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "bench"])?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run::program("target/release/bench", &args)
}
