//! `cargo xtask bench load`: the load generator beside wrk (closed loop, requests per core) and beside oha with its
//! correction for coordinated omission (open loop, percentiles).

use super::cores::pin;
use super::delays::{Delays, Stall};
use super::drive::Drive;
use super::generators::{Closed, Generator, Open};
use super::stats::{Spread, in_turns, spread};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

const SERVER_CORE: usize = 0;
pub const GENERATOR_CORE: usize = 1;
const CLOSED: Duration = Duration::from_secs(3);
const OPEN: Duration = Duration::from_secs(10);
/// Open loop, requests per second.
const RATE: f64 = 500.0;
const MEAN: Duration = Duration::from_millis(20);

/// A server of known speed, with a core to itself; it ends when dropped.
struct Target {
    url: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Target {
    fn start(delays: Option<Delays>) -> Result<Target, String> {
        let fail = |e: std::io::Error| format!("the target server: {e}");
        let mut drive = Drive::new().map_err(fail)?;
        let url = format!("http://{}/item/1", drive.upstream().map_err(fail)?);
        if let Some(delays) = delays {
            drive = drive.delayed(delays);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            pin(SERVER_CORE)?;
            while !stopped.load(Relaxed) {
                drive.run(Duration::from_millis(20), None).map_err(fail)?;
            }
            Ok(())
        });
        Ok(Target {
            url,
            stop,
            thread: Some(thread),
        })
    }

    fn end(mut self) -> Result<(), String> {
        self.stop.store(true, Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |r| {
            r.map_err(|_| "the target server panicked".to_owned())?
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// Measures what can be measured here; `pairs` of turns for each row.
pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let ours = Generator::Plimsoll(plimsoll);
    let mut out = String::new();
    for generator in [&ours, &Generator::Wrk, &Generator::Oha] {
        generator.look()?;
    }
    closed_loop(&mut out, &ours, pairs)?;
    open_loop(&mut out, &ours, pairs)?;
    Ok(out)
}

fn closed_loop(out: &mut String, ours: &Generator, pairs: usize) -> Result<(), String> {
    let _ = writeln!(
        out,
        "closed loop, one thread on one core (median, range)\n\n\
         | connections | wrk requests/s | plimsoll load requests/s | of wrk's rate | CPU of its core: wrk, plimsoll | CPU per request, of wrk's |\n|---|---|---|---|---|---|"
    );
    for connections in [64, 1] {
        let target = Target::start(None)?;
        let turn = |g: &Generator| g.closed(&target.url, connections, CLOSED);
        let turns = in_turns([&Generator::Wrk, ours], pairs, turn)?;
        target.end()?;
        let of = |f: &dyn Fn(&(Closed, Closed)) -> f64| median(&turns, f);
        let _ = writeln!(
            out,
            "| {connections} | {} | {} | {} | {:.0} %, {:.0} % | {} |",
            whole(of(&|t| t.0.rps)),
            whole(of(&|t| t.1.rps)),
            part(of(&|t| t.1.rps / t.0.rps)),
            of(&|t| t.0.cpu * 100.0).median,
            of(&|t| t.1.cpu * 100.0).median,
            part(of(&|t| (t.1.cpu / t.1.rps) / (t.0.cpu / t.0.rps))),
        );
    }
    Ok(())
}

fn open_loop(out: &mut String, ours: &Generator, pairs: usize) -> Result<(), String> {
    let stall = Stall {
        every: Duration::from_secs(3),
        lasts: Duration::from_millis(300),
    };
    let _ = writeln!(
        out,
        "\nopen loop, {RATE:.0} requests/s evenly spaced, service times exponential with mean {} ms\n\n\
         | server | connections | percentile | oha corrected | plimsoll load | difference | pairs with both | oha uncorrected |\n|---|---|---|---|---|---|---|---|",
        MEAN.as_millis()
    );
    for (what, stall, connections) in [
        ("steady", None, 64),
        ("stalls 300 ms every 3 s", Some(stall), 16),
    ] {
        let turn = |g: &Generator| -> Result<Open, String> {
            // A new one each time: the same service times, the same stalls.
            let target = Target::start(Some(Delays::new(MEAN, stall)))?;
            let open = g.open(&target.url, connections, RATE, OPEN)?;
            target.end()?;
            Ok(open)
        };
        let turns = in_turns([&Generator::Oha, ours], pairs, turn)?;
        let uncorrected = turn(&Generator::OhaUncorrected)?;
        for (name, get) in [
            ("p50", (|o: &Open| o.p50) as fn(&Open) -> Option<f64>),
            ("p99", |o: &Open| o.p99),
        ] {
            let pairs: Vec<(f64, f64)> = turns
                .iter()
                .filter_map(|(a, b)| get(a).zip(get(b)))
                .collect();
            let of = |f: &dyn Fn(&(f64, f64)) -> f64| median(&pairs, f);
            let d = of(&|t| 100.0 * (t.1 / t.0 - 1.0));
            let _ = writeln!(
                out,
                "| {what} | {connections} | {name} | {} | {} | {:+.1} % ({:+.1} to {:+.1}) | {} of {} | {:.1} ms |",
                ms(of(&|t| t.0)),
                ms(of(&|t| t.1)),
                d.median,
                d.low,
                d.high,
                pairs.len(),
                turns.len(),
                1e3 * get(&uncorrected).unwrap_or(f64::NAN),
            );
        }
    }
    let _ = writeln!(
        out,
        "\nThe service times alone have p50 {:.2} ms and p99 {:.2} ms.",
        1e3 * MEAN.as_secs_f64() * 2f64.ln(),
        1e3 * MEAN.as_secs_f64() * 100f64.ln()
    );
    Ok(())
}

fn median<T>(turns: &[T], f: &dyn Fn(&T) -> f64) -> Spread {
    let values: Vec<f64> = turns.iter().map(f).collect();
    spread(&values).unwrap_or(Spread {
        median: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    })
}

fn whole(s: Spread) -> String {
    format!("{:.0} ({:.0}–{:.0})", s.median, s.low, s.high)
}

fn part(s: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high)
}

fn ms(s: Spread) -> String {
    format!(
        "{:.1} ({:.1}–{:.1}) ms",
        1e3 * s.median,
        1e3 * s.low,
        1e3 * s.high
    )
}
