//! `cargo xtask bench proxy`: what a proxied request and an idle connection cost, beside HAProxy and nginx, and
//! whether few connections use every core. Prints what `bench/proxy.md` holds.

use super::cores;
use super::drive::Drive;
use super::machine::{self, First};
use super::peers::{self, Entry, Proxy, Stage};
use super::stats::{cpu_by_thread, cpu_of, in_turns, memory_kib, spread, used};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 64;
const TURN: Duration = Duration::from_millis(1200);
const WARM: Duration = Duration::from_millis(700);
/// Requests per second; `None`: as many as are answered.
const LOADS: [Option<f64>; 3] = [None, Some(20_000.0), Some(8_000.0)];
/// Idle connections per proxy; each has had one request, with this many at a time under way.
const IDLE: usize = 4000;
const AT_ONCE: usize = 8;
/// The names of the threads that are a data path: ours, and HAProxy's.
const PATH: [&str; 2] = ["traffic", "haproxy"];

/// Two processes of one program differ for as long as they live, by where their memory lies: each is started this often, and
/// the pairs are divided among them.
pub const STARTS: usize = 3;

/// Most CPU per request, saturated, as a share of HAProxy's: as by default, and bare.
const MOST_CPU: f64 = 0.85;
const MOST_BARE: f64 = 0.75;
/// Most KiB per idle connection.
const MOST_IDLE: f64 = 2.0;

const METHOD: &str = "# What a proxied request costs, beside HAProxy and nginx

```sh
apt-get install haproxy nginx
cargo xtask bench proxy --pairs 6 > bench/proxy.md   # about six minutes, after a build with fat LTO
```

Each proxy has one thread and core 0. Clients and upstream are one thread on core 1 that never sleeps
(`bench/src/drive.rs`), so nobody is billed for waking a peer. Requests have 331 bytes and seven headers, answers
eight headers and 1 KiB; 64 keep-alive connections. Turns of 1.2 s go A B B A; a ratio is the median of the ratios of
neighbouring turns. Every proxy is started three times, and the pairs are divided among them: one process of a program costs up to
a tenth more than another for as long as it lives. CPU is that of every thread of the process, from the scheduler's own counters
([why](../docs/adr/0010-the-whole-process-is-billed.md)).

Plimsoll matches one of 200 routes, passes every gate that is on by default, measures every request and attempt, reads
its probes and learns. HAProxy and nginx forward everything to one server, add X-Forwarded-For and measure nothing.

Bare is what is left when everything is off that can be: one route, one try, no gate that may be left out, no probe, no traces. It still
balances, limits, has a deadline, measures every request and learns. Four fifths of a traffic thread's time are the kernel's, in the same two reads and
two writes that HAProxy makes ([the budget](README.md)): the target for it would take nearly all of the rest, the other one more than half of it.

";

/// Runs `pairs` pairs for each proxy against HAProxy and returns the report.
pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    let _ = writeln!(
        out,
        "Medians of {pairs} pairs, lowest to highest in brackets."
    );
    machine::open_many_files();
    let _first = First::now();
    let dir = machine::folder()?;
    on_one_core(plimsoll, dir.path(), pairs, &mut out)?;
    on_two_cores(plimsoll, dir.path(), pairs, &mut out)?;
    Ok(out)
}

fn on_one_core(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    cores::pin(1)?;
    let mut drive = Drive::new().map_err(|e| e.to_string())?;
    let stage = Stage::one_core(drive.upstream().map_err(|e| e.to_string())?, dir);
    let start = || -> Result<[Proxy; 4], String> {
        Ok([
            peers::haproxy(&stage, Entry::Http1)?,
            peers::nginx(&stage, Entry::Http1)?,
            peers::plimsoll_bare(&stage, plimsoll)?,
            peers::plimsoll(&stage, plimsoll, Entry::Http1)?,
        ])
    };
    cost(&mut drive, &start, pairs, out)?;
    // Fresh ones, so that nothing but the connections grows meanwhile.
    idle(&mut drive, &start()?, out)?;
    let _ = writeln!(out, "\nRequests that failed: {}.", drive.errors);
    Ok(())
}

/// What one turn of one proxy gave.
#[derive(Clone, Copy)]
pub struct Turn {
    /// CPU µs per request: of everything, of Plimsoll's traffic threads, of its telemetry.
    pub all: f64,
    pub path: f64,
    telemetry: f64,
    per_second: f64,
    /// Cores that the proxy used.
    pub busy: f64,
    /// What the least busy traffic thread did of the work of all.
    least: f64,
}

fn turn(drive: &mut Drive, proxy: &Proxy, n: usize, rate: Option<f64>) -> Result<Turn, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", proxy.name);
    drive.connect(proxy.address, n).map_err(fail)?;
    drive.run(WARM, rate).map_err(fail)?;
    let (before, began) = (cpu_by_thread(proxy.pid()), Instant::now());
    let answered = drive.run(TURN, rate).map_err(fail)?;
    let (after, took) = (cpu_by_thread(proxy.pid()), began.elapsed().as_secs_f64());
    drive.disconnect();
    if answered == 0 {
        return Err(format!("{} answered nothing", proxy.name));
    }
    let used = used(&before, &after);
    let each = |seconds: f64| seconds * 1e6 / answered as f64;
    let path: Vec<f64> = (used.iter())
        .filter(|(name, _)| PATH.iter().any(|p| name.starts_with(p)))
        .map(|(_, seconds)| *seconds)
        .collect();
    let least = path.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Turn {
        all: each(cpu_of(&used, "")),
        path: each(path.iter().sum()),
        telemetry: each(cpu_of(&used, "telemetry")),
        per_second: answered as f64 / took,
        busy: cpu_of(&used, "") / took,
        least: least / path.iter().sum::<f64>(),
    })
}

/// Turns of two proxies in the order A B B A, so that drift within the four cancels.
pub fn paired(
    drive: &mut Drive,
    [a, b]: [&Proxy; 2],
    pairs: usize,
    n: usize,
    rate: Option<f64>,
) -> Result<Vec<(Turn, Turn)>, String> {
    in_turns([a, b], pairs, |proxy| turn(drive, proxy, n, rate))
}

/// The median of what `f` sees in each.
fn median<T>(all: &[T], digits: usize, f: impl Fn(&T) -> f64) -> String {
    let values: Vec<f64> = all.iter().map(f).collect();
    spread(&values).map_or("–".into(), |s| format!("{:.digits$}", s.median))
}

/// How many times the second of a pair is the first; the median of all pairs.
pub fn times<T>(pairs: &[(T, T)], f: impl Fn(&T) -> f64) -> f64 {
    let ratios: Vec<f64> = pairs.iter().map(|(a, b)| f(b) / f(a)).collect();
    spread(&ratios).map_or(f64::NAN, |s| s.median)
}

/// For what comes in bursts: a median would hide it.
fn mean<T>(all: &[T], f: impl Fn(&T) -> f64) -> String {
    format!("{:.2}", all.iter().map(f).sum::<f64>() / all.len() as f64)
}

/// The same as the median, with lowest and highest.
pub fn range<T>(all: &[T], digits: usize, f: impl Fn(&T) -> f64) -> String {
    let values: Vec<f64> = all.iter().map(&f).collect();
    let ends = spread(&values).map_or(String::new(), |s| {
        format!(" ({:.digits$}–{:.digits$})", s.low, s.high)
    });
    median(all, digits, f) + &ends
}

/// Of one load, beside HAProxy: nginx, Plimsoll bare, and as it is by default.
type Load = [Vec<(Turn, Turn)>; 3];

fn turns(
    drive: &mut Drive,
    start: &impl Fn() -> Result<[Proxy; 4], String>,
    pairs: usize,
) -> Result<[Load; LOADS.len()], String> {
    let mut all: [Load; LOADS.len()] = Default::default();
    let pairs = pairs.div_ceil(STARTS);
    for _ in 0..STARTS {
        let [haproxy, others @ ..] = &start()?;
        for (rate, load) in LOADS.into_iter().zip(&mut all) {
            for (other, beside) in others.iter().zip(load) {
                beside.extend(paired(drive, [haproxy, other], pairs, CONNECTIONS, rate)?);
            }
        }
    }
    Ok(all)
}

fn cost(
    drive: &mut Drive,
    start: &impl Fn() -> Result<[Proxy; 4], String>,
    pairs: usize,
    out: &mut String,
) -> Result<(), String> {
    let (mut parts, mut verdicts) = (String::new(), String::new());
    let measured = turns(drive, start, pairs)?;
    *out += "\n## CPU per request on one core\n\n\
             | load | proxy | CPU, HAProxy = 1 | µs | requests/s | cores busy |\n|---|---|---|---|---|---|\n";
    for (rate, [nginx, bare, all]) in LOADS.into_iter().zip(measured) {
        let load = rate.map_or("saturated".to_owned(), |r| format!("{r:.0}/s"));
        if rate.is_none() {
            let of = |pairs: &[(Turn, Turn)]| times(pairs, |t| t.all);
            verdicts = verdict("CPU of HAProxy, saturated", of(&all), MOST_CPU)
                + &verdict("CPU of HAProxy, saturated, bare", of(&bare), MOST_BARE);
        }
        let (base, ours): (Vec<Turn>, Vec<Turn>) = all.iter().copied().unzip();
        row(out, &load, "HAProxy", "1", &base);
        for (name, beside) in [
            ("nginx", &nginx),
            ("Plimsoll, bare", &bare),
            ("Plimsoll", &all),
        ] {
            let relative = range(beside, 2, |(a, b)| b.all / a.all);
            let turns: Vec<Turn> = beside.iter().map(|p| p.1).collect();
            row(out, &load, name, &relative, &turns);
        }
        let _ = writeln!(
            parts,
            "| {load} | {} | {} | {} | {} |",
            range(&ours, 2, |t| t.path),
            range(&ours, 2, |t| t.telemetry),
            mean(&ours, |t| t.all - t.path - t.telemetry),
            range(&all, 2, |(a, b)| b.path / a.all),
        );
    }
    *out += &verdicts;
    *out += "\n### Where Plimsoll's CPU goes, µs per request\n\n\
             | load | traffic threads | telemetry | learning and control (mean) | traffic threads alone, HAProxy = 1 |\n|---|---|---|---|---|\n";
    *out += &parts;
    Ok(())
}

/// Of the table of CPU.
fn row(out: &mut String, load: &str, name: &str, relative: &str, turns: &[Turn]) {
    let _ = writeln!(
        out,
        "| {load} | {name} | {relative} | {} | {} | {} |",
        median(turns, 1, |t| t.all),
        median(turns, 0, |t| t.per_second),
        range(turns, 2, |t| t.busy)
    );
}

/// Whether a measured number keeps to its bound.
pub fn verdict(what: &str, measured: f64, most: f64) -> String {
    let word = match measured <= most {
        true => "Met",
        false => "Missed",
    };
    format!("\nTarget for Plimsoll: at most {most:.2} ({what}). **{word}**: {measured:.2}.\n")
}

fn idle(drive: &mut Drive, proxies: &[Proxy], out: &mut String) -> Result<(), String> {
    *out += "\n## Memory\n\n| proxy | KiB per idle connection | MiB before |\n|---|---|---|\n";
    let mut each = f64::NAN;
    for p in proxies {
        let fail = |e: std::io::Error| format!("{}: {e}", p.name);
        // What is made once, for the first connections, is not counted.
        drive.connect(p.address, CONNECTIONS).map_err(fail)?;
        drive.once(AT_ONCE).map_err(fail)?;
        let before = memory_kib(p.pid());
        drive.connect(p.address, IDLE).map_err(fail)?;
        drive.once(AT_ONCE).map_err(fail)?;
        let after = memory_kib(p.pid());
        drive.disconnect();
        let base = before / 1024.0;
        each = (after - before) / IDLE as f64;
        let _ = writeln!(out, "| {} | {each:.2} | {base:.1} |", p.name);
    }
    // Plimsoll is the last.
    *out += &verdict("KiB per idle connection", each, MOST_IDLE);
    Ok(())
}

/// One traffic thread beside two, free on both cores, with peers that sleep.
fn on_two_cores(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    cores::keep_on([0, 1])?;
    let mut drive = Drive::new().map_err(|e| e.to_string())?;
    drive.patience = Duration::from_millis(1);
    let upstream = drive.upstream().map_err(|e| e.to_string())?;
    let stage = |threads| Stage {
        upstream,
        dir,
        threads,
        cores: "0,1",
    };
    *out += "\n## Few connections on two cores\n\n\
             | connections | proxy | requests/s, 1 thread | requests/s, 2 threads | ratio | share of the less busy thread |\n|---|---|---|---|---|---|\n";
    let haproxy = [
        peers::haproxy(&stage(1), Entry::Http1)?,
        peers::haproxy(&stage(2), Entry::Http1)?,
    ];
    let ours = [
        peers::plimsoll(&stage(1), plimsoll, Entry::Http1)?,
        peers::plimsoll(&stage(2), plimsoll, Entry::Http1)?,
    ];
    for n in [1, 2, 8] {
        for [one, two] in [&haproxy, &ours] {
            let all = paired(&mut drive, [one, two], pairs, n, None)?;
            let _ = writeln!(
                out,
                "| {n} | {} | {} | {} | {} | {} |",
                one.name,
                median(&all, 0, |(a, _)| a.per_second),
                median(&all, 0, |(_, b)| b.per_second),
                range(&all, 2, |(a, b)| b.per_second / a.per_second),
                range(&all, 2, |(_, b)| b.least),
            );
        }
    }
    let _ = writeln!(out, "\nRequests that failed: {}.", drive.errors);
    Ok(())
}
