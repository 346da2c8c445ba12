//! Measurements against peers, side by side in one run, and checks against real clients. The pages they make lie in `bench/`.

mod agent;
mod backstage;
mod cache;
mod console;
mod cores;
mod delays;
mod diagnosis;
mod disk;
mod drive;
mod framing;
mod generators;
mod grpc_web;
mod history;
mod hit;
mod list;
mod load;
mod machine;
mod model;
mod npm;
mod otlp;
mod peers;
mod protocols;
mod proxy;
mod pypi;
mod queue;
mod replicas;
mod scenarios;
mod simulated;
mod state;
mod stats;
mod topics;
mod traces;

use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Measure in one run, against peers or the truth", after_help = list::help())]
struct Ask {
    /// One of the list below; or `install` or `check`, which are parts of `cargo xtask test`
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
    /// A binary that is there already, instead of one that is built now
    #[arg(long)]
    plimsoll: Option<PathBuf>,
    /// Minutes of traffic (history)
    #[arg(long, default_value_t = history::MINUTES)]
    minutes: u64,
    /// Longer overload (scenarios)
    #[arg(long)]
    full: bool,
}

fn main() -> std::process::ExitCode {
    let ask = Ask::parse();
    let done = match ask.what.as_str() {
        "install" => {
            pypi::want_nats();
            Ok(String::new())
        }
        "check" => list::check(),
        _ => list::measure(&ask),
    };
    match done {
        Ok(page) if page.is_empty() => std::process::ExitCode::SUCCESS,
        Ok(page) => {
            println!("{page}");
            std::process::ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("bench: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}
