//! What contributors run: `cargo xtask test`, `cargo xtask lint`, `cargo xtask ci`.

mod bench;
mod directions;
mod fuzz;
mod run;

use clap::{Parser, Subcommand};
use run::cargo;
use std::path::{Path, PathBuf};

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
    /// Measure in one run, against peers or the truth: proxy, load, model, simulated, diagnosis, cache, disk, framing, hit, history, protocols, queue, replicas, state, otlp, topics, traces, export, backstage,
    /// console, pages, scenarios
    Bench {
        what: String,
        /// Which scenarios (of `scenarios` and `diagnosis`); all when left out
        names: Vec<String>,
        /// Pairs per proxy
        #[arg(long, default_value_t = 6)]
        pairs: usize,
        /// Runs of each planted bottleneck, each with a mix of its own (diagnosis)
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// Forget this scenario's rows and make them again, those only (diagnosis; may be given more than once)
        #[arg(long)]
        only: Vec<String>,
        /// At most so many measurements now, a watch or a line each; 0 writes the page only (diagnosis)
        #[arg(long)]
        at_most: Option<usize>,
        /// A binary that is there already, instead of a release build (diagnosis)
        #[arg(long)]
        plimsoll: Option<PathBuf>,
        /// Minutes of traffic (history)
        #[arg(long, default_value_t = bench::history::MINUTES)]
        minutes: u64,
        /// Longer overload (scenarios)
        #[arg(long)]
        full: bool,
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

const DEBUG: &str = "target/debug/plimsoll";

fn main() -> std::process::ExitCode {
    let done = match Cli::parse().command {
        Command::Test => test(),
        Command::Lint => lint(),
        Command::Bench {
            what,
            names,
            pairs,
            seeds,
            only,
            at_most,
            plimsoll,
            minutes,
            full,
        } => match what.as_str() {
            "scenarios" => scenarios(&names, full),
            "history" => history(minutes),
            "diagnosis" => {
                let ask = bench::diagnosis::Ask {
                    names,
                    again: only,
                    seeds,
                    at_most,
                };
                diagnosis(&ask, plimsoll)
            }
            what => bench(what, pairs),
        },
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
    run::want_peers();
    bench::pypi::want_nats();
    cargo(&["test", "--workspace", "--features", FULL])?;
    cargo(&["build", "--package", "plimsoll", "--features", "full"])?;
    // It learns while the others run.
    let console = bench::console::begin(Path::new(DEBUG))?;
    bench::cache::check(Path::new(DEBUG))?;
    bench::framing::check(Path::new(DEBUG))?;
    bench::grpc_web::check(Path::new(DEBUG))?;
    bench::console::check(console)?;
    bench::console::contract::check(Path::new(DEBUG))?;
    bench::otlp::check(Path::new(DEBUG))?;
    bench::topics::check(Path::new(DEBUG))?;
    bench::backstage::check(Path::new(DEBUG))?;
    fuzz::check()
}

fn lint() -> Result<(), String> {
    directions::check()?;
    cargo(&["fmt", "--all", "--check"])?;
    // The default build, which has no engine but the embedded one.
    cargo(&["check", "--package", "plimsoll"])?;
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

fn bench(what: &str, pairs: usize) -> Result<(), String> {
    let report = match what {
        "proxy" => {
            cargo(&["build", "--profile", "bench-fat", "--package", "plimsoll"])?;
            bench::proxy::run(Path::new("target/bench-fat/plimsoll"), pairs)?
        }
        "hit" => {
            cargo(&["build", "--profile", "bench-fat", "--package", "plimsoll"])?;
            bench::hit::run(Path::new("target/bench-fat/plimsoll"), pairs)?
        }
        "protocols" => {
            cargo(&["build", "--profile", "bench-fat", "--package", "plimsoll"])?;
            bench::protocols::run(Path::new("target/bench-fat/plimsoll"), pairs)?
        }
        "disk" => {
            cargo(&["build", "--profile", "bench-fat", "--package", "plimsoll"])?;
            bench::disk::run(Path::new("target/bench-fat/plimsoll"), pairs)?
        }
        "load" => {
            cargo(&["build", "--release", "--package", "plimsoll"])?;
            bench::load::run(Path::new("target/release/plimsoll"), pairs)?
        }
        "traces" => {
            cargo(&["build", "--release", "--package", "plimsoll"])?;
            bench::traces::run(Path::new("target/release/plimsoll"))?
        }
        "state" => {
            cargo(&[
                "build",
                "--release",
                "--package",
                "plimsoll",
                "--features",
                FULL,
            ])?;
            bench::state::run(Path::new("target/release/plimsoll"), pairs)?
        }
        "agent" => bench::agent::run(true)?,
        "agent-debug" => bench::agent::run(false)?,
        "model" => bench::model::run()?,
        "simulated" => bench::simulated::run()?,
        "cache" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::cache::run(Path::new(DEBUG))?
        }
        "framing" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::framing::run(Path::new(DEBUG))?
        }
        "console" => {
            cargo(&["build", "--release", "--package", "plimsoll"])?;
            bench::console::measure::run(Path::new("target/release/plimsoll"))?
        }
        "pages" => {
            cargo(&["build", "--package", "plimsoll"])?;
            let watched = bench::console::begin(Path::new(DEBUG))?;
            let seen = watched.is_some();
            bench::console::check(watched)?;
            bench::console::contract::check(Path::new(DEBUG))?;
            if seen {
                bench::console::pictures()?;
            }
            String::new()
        }
        "queue" => bench::queue::run()?,
        "replicas" => bench::replicas::run()?,
        "otlp" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::otlp::check(Path::new(DEBUG))?;
            String::new()
        }
        "topics" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::topics::check(Path::new(DEBUG))?;
            String::new()
        }
        "export" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::otlp::export::check(Path::new(DEBUG))?;
            String::new()
        }
        "backstage" => {
            cargo(&["build", "--package", "plimsoll"])?;
            bench::backstage::check(Path::new(DEBUG))?;
            String::new()
        }
        _ => {
            return Err(format!(
                "no benchmark `{what}`; there are: proxy, load, agent, model, simulated, diagnosis, cache, disk, framing, hit, history, protocols, queue, replicas, state, otlp, topics, traces, export, backstage, console, pages, scenarios"
            ));
        }
    };
    println!("{report}");
    Ok(())
}

fn history(minutes: u64) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "plimsoll"])?;
    let done = bench::history::run(Path::new("target/release/plimsoll"), minutes)?;
    println!("{done}");
    Ok(())
}

fn diagnosis(ask: &bench::diagnosis::Ask, plimsoll: Option<PathBuf>) -> Result<(), String> {
    let binary = match plimsoll {
        Some(there) => there,
        None => {
            cargo(&["build", "--release", "--package", "plimsoll"])?;
            "target/release/plimsoll".into()
        }
    };
    let done = bench::diagnosis::run(&binary, ask)?;
    println!("{done}");
    Ok(())
}

fn scenarios(names: &[String], full: bool) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "plimsoll"])?;
    let done = bench::scenarios::run(Path::new("target/release/plimsoll"), names, full)?;
    println!("{done}");
    Ok(())
}
