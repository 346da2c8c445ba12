//! `plimsoll load`: sends requests, measures, holds the result against thresholds.

mod plan;

use crate::cli::load::LoadArgs;
use crate::exit::{Exit, Failure};
use crate::show;
use crate::terminal;
use prove::limit::{FindLimit, Mode, Stopped, find_limit};
use prove::{Flow, Goal, Plan, PlanError, Progress, Thresholds};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Share of requests within `--p99-below` that `--find-limit` asks for.
const TARGET: f64 = 0.99;

pub fn run(args: LoadArgs) -> Result<Exit, Failure> {
    let plan = plan::plan(&args)?;
    stop_when_interrupted()?;
    if args.find_limit {
        return limit(&args, plan);
    }
    let thresholds = Thresholds {
        latency: args.p99_below.map(|d| (0.99, d)).into_iter().collect(),
        errors: args.errors_below,
        rate: args.rate_above,
    };
    let report = prove::run(&plan, &mut |p| watch(p, None)).map_err(refused)?;
    end_watch();
    let verdict = prove::verdict(&report, &thresholds);
    if args.json {
        println!("{}", json!({ "report": report, "verdict": verdict }));
    } else {
        print!(
            "{}",
            show::load::report(&report, &verdict, terminal::width())
        );
    }
    // Whoever asks for nothing still wants an answer.
    let answered = report.completed > 0 || report.offered == 0;
    Ok(if verdict.holds && answered {
        Exit::Ok
    } else {
        Exit::Not
    })
}

fn limit(args: &LoadArgs, mut plan: Plan) -> Result<Exit, Failure> {
    let latency = args.p99_below.unwrap_or(Duration::from_millis(250));
    plan.goals = vec![Goal {
        latency,
        target: TARGET,
    }];
    let mut mode = if args.quick {
        Mode::QUICK
    } else {
        Mode::BISECT
    };
    if let Some(d) = args.duration {
        mode = match mode {
            Mode::Quick { .. } => Mode::Quick { ramp: d },
            Mode::Bisect { tolerance, .. } => Mode::Bisect { hold: d, tolerance },
        };
    }
    let find = FindLimit {
        plan,
        start: args.rate.unwrap_or(10.0).min(args.max_rate),
        max: args.ramp_to.unwrap_or(args.max_rate),
        mode,
        at_most: args.at_most,
    };
    let found = find_limit(&find, &mut |p| watch(p.run, Some(p.rate))).map_err(refused)?;
    end_watch();
    let known = matches!(
        found.stopped,
        Stopped::Found | Stopped::MaxReached | Stopped::OutOfTime
    );
    let reached = found
        .line_rps
        .is_some_and(|x| args.rate_above.is_none_or(|w| x >= w));
    let holds = known && reached;
    if args.json {
        println!(
            "{}",
            json!({ "limit": found, "verdict": { "holds": holds } })
        );
    } else {
        print!(
            "{}",
            show::load::limit(&found, args.rate_above, terminal::width())
        );
    }
    Ok(if holds { Exit::Ok } else { Exit::Not })
}

fn refused(e: PlanError) -> Failure {
    Failure::new(e.to_string())
}

/// Set by Ctrl-C: the run ends, and what was measured so far is shown.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C stops the run, the second ends the process.
fn stop_when_interrupted() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || {
            runtime.block_on(interrupts.recv());
            INTERRUPTED.store(true, Ordering::Relaxed);
            runtime.block_on(interrupts.recv());
            std::process::exit(130);
        })?;
    Ok(())
}

/// One line that changes, for people who watch.
fn watch(p: &Progress, rate: Option<f64>) -> Flow {
    if std::io::stderr().is_terminal() {
        let rate = rate.map_or(String::new(), |r| format!(" at {r:.0}/s"));
        let text = format!(
            "\r{:>4.0} of {:.0} s{rate}: {} sent, {} ended, {} failed, {} under way   ",
            p.elapsed.as_secs_f64(),
            p.total.as_secs_f64(),
            p.offered,
            p.ended,
            p.failed,
            p.in_flight
        );
        // Nobody to see it is no reason to stop.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        Flow::Stop
    } else {
        Flow::Continue
    }
}

fn end_watch() {
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
}
