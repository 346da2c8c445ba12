//! `cargo xtask bench traces`: what it costs to keep traces, with ordinary traffic and when everything fails, and how long a full
//! file takes to be opened and asked.

use super::console::measure::{serve, text};
use super::console::stage::write;
use super::cores::{keep_on, on};
use super::history::{resident, size};
use super::machine::{self, First};
use super::npm;
use super::peers::{self, Proxy};
use super::stats::{Thread, cpu_by_thread, cpu_of, spread, used};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::{Ack, Embedded, Kv, Put};
use traces::{Head, Packer, Span, Trace, row};

const ROUTES: usize = 200;
/// Requests per second.
const RATE: usize = 4000;
const PAIRS: usize = 5;
const STORMS: usize = 2;
const TURN: Duration = Duration::from_secs(8);
/// Of each turn, before anything is measured: connections are opened, what comes before is written.
const BEFORE: Duration = Duration::from_secs(2);
/// `traces.size` when nothing is said.
const FULL: u64 = 256 << 20;
/// More traces are not kept, whatever they take.
const MOST: u64 = 200_000;
const LOADS: usize = 20;
/// For a file to be read.
const PATIENCE: Duration = Duration::from_secs(60);

const METHOD: &str = "# What traces cost

```sh
cargo xtask bench traces > bench/traces.md   # about four minutes, after a build
```

Two Plimsolls with 200 routes and one traffic thread, alike but for `traces: { size: 0 }` in one of them, on core 0; a service that answers
at once and `plimsoll load` on core 1. Turns of 8 s at 4000 requests per second go to one and the other; each pair is a difference.
`share` is as it is by default: 1 % of the requests is kept. In a storm every answer is a 500, which is not tried again: 1024 requests a
second are kept at most, the others are counted as lost; of those that are kept some give way to `traces.rate`. Bytes on the disk are `write_bytes` of `/proc/PID/io`.

";

pub fn run(plimsoll: &Path) -> Result<String, String> {
    let plimsoll = npm::absolute(plimsoll)?;
    let folder = npm::absolute(Path::new("target/traces"))?;
    // What an earlier run left; not there is as good.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut out = METHOD.to_owned() + &machine::describe(&plimsoll);
    machine::open_many_files();
    let _first = First::now();
    keep_on([1])?;
    let service = serve().map_err(|e| e.to_string())?;
    let kept = Side::start(&plimsoll, &folder, service, "kept", "")?;
    let none = Side::start(&plimsoll, &folder, service, "none", "traces: { size: 0 }\n")?;
    for (what, mix, pairs) in [
        ("1 % is kept", "all", PAIRS),
        ("a storm: everything fails", "storm", STORMS),
    ] {
        // The first requests to a route are dearer than others.
        for side in [&kept, &none] {
            side.turn(mix, Duration::from_secs(1))?;
        }
        let mut turns = Vec::new();
        for _ in 0..pairs {
            turns.push((none.turn(mix, TURN)?, kept.turn(mix, TURN)?));
        }
        table(&mut out, what, &turns);
    }
    drop((kept, none));
    full(&plimsoll, &folder, service, &mut out)?;
    let _ = std::fs::remove_dir_all(&folder);
    Ok(out)
}

/// One of the two.
struct Side {
    plimsoll: PathBuf,
    config: PathBuf,
    console: SocketAddr,
    running: Proxy,
}

/// What was seen in one turn.
struct Turn {
    seconds: f64,
    /// Answers per second, and the 99th percentile, seconds.
    rate: f64,
    p99: f64,
    threads: Vec<Thread>,
    /// Bytes that went to the disk.
    written: f64,
    /// Of `COUNTS`.
    counts: [f64; COUNTS.len()],
}

/// Requests that were kept, that found no room, that were kept without path and decisions, and that gave way to the rate.
const COUNTS: [&str; 4] = [
    "plimsoll_traces_kept_total",
    "plimsoll_traces_lost_total",
    "plimsoll_traces_bare_total",
    "plimsoll_traces_dropped_total{why=\"error\"}",
];

impl Side {
    fn start(
        plimsoll: &Path,
        folder: &Path,
        service: SocketAddr,
        name: &str,
        more: &str,
    ) -> Result<Side, String> {
        let [listen, console] = peers::free()?;
        let file = folder.join(format!("{name}.yaml"));
        let data = folder.join(name);
        write(&file, &config(listen, console, service, &data, more))?;
        let mut run = on(0, plimsoll);
        let run = run.args(["run", "--config"]).arg(&file);
        Ok(Side {
            running: peers::launch("Plimsoll", console, run)?,
            plimsoll: plimsoll.to_owned(),
            config: file,
            console,
        })
    }

    fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn turn(&self, mix: &str, turn: Duration) -> Result<Turn, String> {
        let duration = format!("{}ms", (BEFORE + turn).as_millis() + 500);
        let load = Command::new(&self.plimsoll)
            .args(["load", "--mix", mix, "--duration", &duration, "--json"])
            .args(["--rate", &format!("{RATE}/s"), "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("the load does not start: {e}"))?;
        std::thread::sleep(BEFORE);
        let counts = || self.counts();
        let (before, written) = (counts()?, written(self.pid())?);
        let (cpu, begun) = (cpu_by_thread(self.pid()), Instant::now());
        std::thread::sleep(turn);
        let threads = used(&cpu, &cpu_by_thread(self.pid()));
        let seconds = begun.elapsed().as_secs_f64();
        let written = self::written(self.pid())? - written;
        let after = counts()?;
        let said = load.wait_with_output().map_err(|e| e.to_string())?;
        let said: Value = serde_json::from_slice(&said.stdout)
            .map_err(|e| format!("the load says nothing of use: {e}"))?;
        let report = &said["report"];
        let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
        Ok(Turn {
            seconds,
            rate: number(&report["rate_achieved"]),
            p99: number(&report["latency"]["p99"]),
            threads,
            written,
            counts: std::array::from_fn(|i| after[i] - before[i]),
        })
    }

    /// Where none are kept, all are 0.
    fn counts(&self) -> Result<[f64; COUNTS.len()], String> {
        let page = text(self.console, "/metrics")?;
        Ok(COUNTS.map(|name| metric(&page, name).unwrap_or(0.0)))
    }
}

fn metric(page: &str, name: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
    page.lines().find_map(value)
}

fn written(pid: u32) -> Result<f64, String> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).map_err(|e| e.to_string())?;
    let line = io.lines().find_map(|l| l.strip_prefix("write_bytes:"));
    let bytes = line.and_then(|l| l.trim().parse().ok());
    bytes.ok_or_else(|| "no write_bytes".into())
}

fn table(out: &mut String, what: &str, turns: &[(Turn, Turn)]) {
    let _ = writeln!(
        out,
        "\n| {what} | without | with | more |\n|---|---|---|---|"
    );
    let cores = |prefix: &'static str| move |t: &Turn| cpu_of(&t.threads, prefix) / t.seconds;
    let per_request = |prefix: &'static str| {
        move |t: &Turn| 1e6 * cpu_of(&t.threads, prefix) / (t.rate * t.seconds)
    };
    line(out, turns, "answers per second", 0, &|t| t.rate);
    line(out, turns, "p99 of them, ms", 2, &|t| 1e3 * t.p99);
    line(out, turns, "traffic thread, cores", 4, &cores("traffic"));
    line(
        out,
        turns,
        "the same, µs per request",
        3,
        &per_request("traffic"),
    );
    line(
        out,
        turns,
        "telemetry's thread, cores",
        4,
        &cores("telemetry"),
    );
    line(
        out,
        turns,
        "the same, µs per request",
        3,
        &per_request("telemetry"),
    );
    line(
        out,
        turns,
        "the thread of the traces, cores",
        4,
        &cores("traces"),
    );
    line(
        out,
        turns,
        "threads that write to the disk, cores",
        4,
        &cores("store-writer"),
    );
    line(out, turns, "all of Plimsoll, cores", 4, &cores(""));
    line(out, turns, "to the disk, KiB per second", 1, &|t| {
        t.written / 1024.0 / t.seconds
    });
    line(out, turns, "kept per second", 1, &|t| {
        t.counts[0] / t.seconds
    });
    line(out, turns, "lost per second", 1, &|t| {
        t.counts[1] / t.seconds
    });
    line(
        out,
        turns,
        "kept without path and decisions, per second",
        1,
        &|t| t.counts[2] / t.seconds,
    );
    line(out, turns, "errors that gave way per second", 1, &|t| {
        t.counts[3] / t.seconds
    });
}

/// Medians and ranges, of both and of the differences of pairs.
fn line(
    out: &mut String,
    turns: &[(Turn, Turn)],
    what: &str,
    digits: usize,
    of: &dyn Fn(&Turn) -> f64,
) {
    // The load tells no latency where it was late itself; how many turns are left is said then.
    let told = |values: Vec<f64>| {
        let valid: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let s = spread(&valid)?;
        let (m, low, high) = (s.median, s.low, s.high);
        let of = match valid.len() == values.len() {
            true => String::new(),
            false => format!(", {} of {} turns", valid.len(), values.len()),
        };
        Some(format!(
            "{m:.digits$} ({low:.digits$} to {high:.digits$}{of})"
        ))
    };
    let columns = [
        told(turns.iter().map(|t| of(&t.0)).collect()),
        told(turns.iter().map(|t| of(&t.1)).collect()),
        told(turns.iter().map(|t| of(&t.1) - of(&t.0)).collect()),
    ];
    let columns = columns.map(Option::unwrap_or_default).join(" | ");
    let _ = writeln!(out, "| {what} | {columns} |");
}

fn config(
    listen: SocketAddr,
    console: SocketAddr,
    service: SocketAddr,
    data: &Path,
    more: &str,
) -> String {
    let mut text = format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n{more}services: {{ app: {{ instances: [\"{service}\"] }} }}\nroutes:\n  \
         fail: {{ match: \"GET /fail/{{rest...}}\", to: app }}\n",
        data.display()
    );
    let mut loads = String::from("loads:\n  storm: [{ request: \"GET /fail/{1..50}\" }]\n  all:\n");
    for i in 0..ROUTES {
        let _ = writeln!(
            text,
            "  things-{i}: {{ match: \"GET /api/v1/things-{i}/{{id}}\", to: app }}"
        );
        let _ = writeln!(
            loads,
            "    - {{ request: \"GET /api/v1/things-{i}/{{1..50}}\" }}"
        );
    }
    text + &loads
}

/// What is asked of a full file; `ID` is one of its traces.
const ASKED: [(&str, &str); 5] = [
    ("the newest 50", "/traces"),
    ("of one route", "/traces?route=things-7"),
    ("500 by the API", "/api/v1/traces?limit=500"),
    (
        "none is like that (40 000 are looked at)",
        "/traces?min_ms=3600000",
    ),
    ("one trace", "/traces/ID"),
];

/// A file that holds as much as it may: how long it takes to be started upon, and to be asked.
fn full(
    plimsoll: &Path,
    folder: &Path,
    service: SocketAddr,
    out: &mut String,
) -> Result<(), String> {
    let data = folder.join("full");
    std::fs::create_dir_all(&data).map_err(|e| e.to_string())?;
    let file = data.join("traces.db");
    let (number, one) = fill(&file)?;
    let disk = ["traces.db", "traces.db-wal"].map(|f| size(&data.join(f)));
    let begun = Instant::now();
    let side = Side::start(plimsoll, folder, service, "full", "")?;
    let answers = begun.elapsed();
    let listed = when(&begun, || {
        let page = text(side.console, "/traces").ok()?;
        page.contains("<tbody").then_some(())
    })?;
    let read = when(&begun, || {
        let page = text(side.console, "/metrics").ok()?;
        metric(&page, "plimsoll_traces_stored").filter(|n| *n > 0.0)
    })?;
    let before = resident(side.pid())?;
    let _ = writeln!(
        out,
        "\n| a full file, what is asked | median | slowest of {LOADS} |\n|---|---|---|"
    );
    for (what, target) in ASKED {
        let target = target.replace("ID", &format!("{one:032x}"));
        let mut took = Vec::new();
        for _ in 0..LOADS {
            let begun = Instant::now();
            text(side.console, &target)?;
            took.push(1e3 * begun.elapsed().as_secs_f64());
        }
        let s = spread(&took).ok_or("nothing was measured")?;
        let _ = writeln!(out, "| {what} | {:.1} ms | {:.1} ms |", s.median, s.high);
    }
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let ms = |d: Duration| format!("{:.0} ms", 1e3 * d.as_secs_f64());
    let _ = writeln!(out, "\n| | |\n|---|---|");
    for (what, value) in [
        (
            "traces in it, half of them with ten spans of services",
            number.to_string(),
        ),
        (
            "the file, and what is not yet in its place",
            mib(disk.iter().sum()),
        ),
        ("from the start until the console answers", ms(answers)),
        ("until the first page shows traces", ms(listed)),
        ("until all of it has been looked through", ms(read)),
        ("the process then (resident)", mib(before)),
        (
            "the process after all of the above",
            mib(resident(side.pid())?),
        ),
    ] {
        let _ = writeln!(out, "| {what} | {value} |");
    }
    Ok(())
}

/// How long after `begun` it holds.
fn when<T>(begun: &Instant, mut holds: impl FnMut() -> Option<T>) -> Result<Duration, String> {
    while holds().is_none() {
        if begun.elapsed() > PATIENCE {
            return Err("a full file is not read within a minute".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}

/// Writes as many traces as fit, as the product would have; their number, and one of them.
fn fill(file: &Path) -> Result<(u64, u128), String> {
    let store = Embedded::open(file).map_err(|e| e.to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|e| e.to_string())?.as_nanos() as u64;
    let mut packer = Packer::new().map_err(|e| e.to_string())?;
    let (mut bytes, mut n, mut acks) = (0, 0u64, Vec::new());
    loop {
        // The newest first; what is a hundredth of a second older is the next.
        let trace = made(n, now - n * 10_000_000);
        let rows = packer.rows(&trace).ok_or("a trace cannot be written")?;
        bytes += rows.takes;
        if bytes > FULL || n >= MOST {
            break;
        }
        n += 1;
        let [list, all] = row::keys(row::place(&trace));
        acks.push(store.put(Put::new(list, rows.list), 0));
        acks.push(store.put(Put::new(all, rows.all), 0));
        if acks.len() >= 500 {
            settle(&mut acks)?;
        }
    }
    settle(&mut acks)?;
    Ok((n, id(1)))
}

fn settle<T>(acks: &mut Vec<Ack<T>>) -> Result<(), String> {
    for ack in acks.drain(..) {
        ack.wait().map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Ids look random, so that they cannot be packed.
fn id(n: u64) -> u128 {
    let part = |m: u64| u128::from((n + 1).wrapping_mul(m).rotate_left(23));
    part(0x9e37_79b9_7f4a_7c15) << 64 | part(0xbf58_476d_1ce4_e5b9)
}

/// A request with its try, and every other one with ten spans of services.
fn made(n: u64, start: u64) -> Trace {
    let span = |i: u64, service: &str, name: &str, attributes: &[(&str, &str)]| Span {
        id: (id(n) as u64).wrapping_mul(2 * i + 1),
        parent: if i == 0 { 0 } else { id(n) as u64 },
        service: service.into(),
        name: name.into(),
        kind: 2,
        start: start + 1000 * i,
        end: start + 5_000_000 - 1000 * i,
        error: i == 1,
        attributes: (attributes.iter())
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
    };
    let route = format!("things-{}", n % ROUTES as u64);
    let path = format!("/api/v1/{route}/{n}");
    let own = [("url.path", path.as_str()), ("client.address", "192.0.2.7")];
    let query = [
        ("db.system", "postgresql"),
        ("statement", "SELECT * FROM items WHERE id = ?"),
    ];
    let mut spans = vec![
        span(0, "plimsoll", "GET /api/v1/things/{id}", &own),
        span(1, "plimsoll", "GET", &[("server.address", "127.0.0.1")]),
    ];
    let more = if n.is_multiple_of(2) { 10 } else { 0 };
    spans.extend((2..2 + more).map(|i| span(i, "stock", "SELECT items", &query)));
    let mut trace = Trace::new(id(n));
    let head = Head {
        route: route.into(),
        method: "GET".into(),
        status: 500,
        start,
        end: start + 5_000_000,
        why: "error".into(),
    };
    trace.add_request(head, spans);
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_traces_differ_and_are_read_as_they_were_written() {
        let trace = made(4, 1_700_000_000_000_000_000);
        assert_eq!(trace.spans.len(), 12);
        let rows = Packer::new().unwrap().rows(&trace).unwrap();
        let mut unpacker = traces::Unpacker::new().unwrap();
        assert_eq!(unpacker.trace(&rows.all).unwrap(), trace);
        assert!((400..2000).contains(&rows.takes), "{}", rows.takes);
        let ids: std::collections::HashSet<u128> = (0..100_000).map(id).collect();
        assert_eq!(ids.len(), 100_000);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page = "# HELP a b\nplimsoll_traces_stored_x 1\nplimsoll_traces_stored 7\n";
        assert_eq!(metric(page, "plimsoll_traces_stored"), Some(7.0));
        assert_eq!(metric(page, "plimsoll_traces"), None);
    }
}
