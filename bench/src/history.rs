//! `cargo xtask bench history`: what 35 days of 200 routes take on the disk and in memory, and how long pages and
//! questions take with them.

use super::console::measure::{fetch, serve};
use super::console::stage::write;
use super::proxy::verdict;
use super::stats::{cpu_by_thread, cpu_of, used};
use super::{machine, npm, peers, stats};
use past::row::{NAMES, NAMES_PREFIX, key};
use past::{Bounds, COARSE_MS, FINE_KEEP_MS, FINE_MS, Past, Series, metric};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::{Embedded, Kv, Put};

const ROUTES: usize = 200;
const DAY_MS: u64 = 86_400_000;
const DAYS: u64 = 35;
/// How long latencies are kept.
const BUCKETS_MS: u64 = 3 * DAY_MS;
/// Buckets that the answers of one route lie in.
const WIDE: usize = 14;
const LOADS: usize = 20;
/// Traffic on all routes, requests per second, and how long: until the seconds that are remembered have filled their place.
const RATE: usize = 1000;
pub const MINUTES: u64 = 12;
/// What the process may take, and what it may spend on a request beside its path.
const MOST_MIB: f64 = 150.0;
const MOST_US: f64 = 1.0;

const METHOD: &str = "# What history costs

```sh
cargo xtask bench history > bench/history.md   # about a quarter of an hour, after a build
```

A history of 35 days is made: 200 routes whose requests vary, answered with three classes of status each, their latencies in 14
parts of buckets. Plimsoll (200 routes, each with an objective, the service with a price) is started upon it. A page is a request on a
fresh connection, to the last byte; the very first one is asked for while the history is still being read, and waits for nothing. Then
`plimsoll load` sends 1000 requests per second to all routes for twelve minutes (`--minutes` for less). Traces are kept and costs are counted, as by default;
nothing is exported.

";

/// What the pages draw, and what Grafana would ask.
const ASKED: &[(&str, &str)] = &[
    ("the load line, 35 d", "/?last=3024000"),
    ("the load line, 7 d", "/?last=604800"),
    ("the load line, 3 h", "/?last=10800"),
    ("a route, 35 d", "/routes/things-7?last=3024000"),
    ("all routes", "/routes"),
    (
        "rate by route, 30 d",
        "sum by (route) (rate(plimsoll_requests_total[1h]))",
    ),
    (
        "rate of one route, 30 d",
        "rate(plimsoll_requests_total{route=\"things-7\"}[1h])",
    ),
    (
        "p99 of one route, 30 d",
        "histogram_quantile(0.99, sum by (le) (rate(plimsoll_request_duration_seconds_bucket{route=\"things-7\"}[1h])))",
    ),
];

/// `minutes`: of traffic; with less than [`MINUTES`] it says how what is remembered grows, and not what it comes to.
pub fn run(plimsoll: &Path, minutes: u64) -> Result<String, String> {
    let folder = npm::absolute(Path::new("target/history"))?;
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    // What an earlier run left; not there is as good.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let now_ms = now_ms();
    let held = fill(&folder.join("history.db"), now_ms)?;
    let disk = size(&folder.join("history.db")) + size(&folder.join("history.db-wal"));
    let [listen, console] = peers::free()?;
    let file = folder.join("plimsoll.yaml");
    let service = serve().map_err(|e| e.to_string())?;
    write(&file, &config(listen, console, service, &folder))?;
    let mut run = Command::new(npm::absolute(plimsoll)?);
    let begun = Instant::now();
    let running = peers::launch(
        "Plimsoll",
        console,
        run.args(["run", "--config"]).arg(&file),
    )?;
    let started = begun.elapsed();
    let before = resident(running.pid())?;
    // No page waits for the history; a question does.
    let asked = Instant::now();
    fetch(console, "/?last=3024000")?;
    let first = asked.elapsed();
    fetch(console, &question("plimsoll_requests_total", now_ms))?;
    let read = begun.elapsed();
    let _ = writeln!(
        out,
        "\n| what is asked | median | slowest of {LOADS} |\n|---|---|---|"
    );
    for (what, target) in ASKED {
        let target = match target.starts_with('/') {
            true => (*target).to_owned(),
            false => question(target, now_ms),
        };
        let mut took = Vec::new();
        for _ in 0..LOADS {
            let begun = Instant::now();
            fetch(console, &target)?;
            took.push(1e3 * begun.elapsed().as_secs_f64());
        }
        let s = stats::spread(&took).ok_or("nothing was measured")?;
        let _ = writeln!(out, "| {what} | {:.1} ms | {:.1} ms |", s.median, s.high);
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(out, "\n| | |\n|---|---|");
    for (what, value) in [
        ("series", format!("{}", held.series)),
        (
            "the history in memory",
            format!("{:.1} MiB", mib(held.bytes as u64)),
        ),
        ("on the disk", format!("{:.1} MiB", mib(disk))),
        (
            "the process after its start (resident)",
            format!("{:.1} MiB", mib(before)),
        ),
        (
            "the process after all of the above",
            format!("{:.1} MiB", mib(resident(running.pid())?)),
        ),
        (
            "from its start until the console answers, the history still being read",
            format!("{:.0} ms", 1e3 * started.as_secs_f64()),
        ),
        (
            "the first page, just then",
            format!("{:.0} ms", 1e3 * first.as_secs_f64()),
        ),
        (
            "from its start until the history is read, and a question about it answered",
            format!("{:.0} ms", 1e3 * read.as_secs_f64()),
        ),
    ] {
        let _ = writeln!(out, "| {what} | {value} |");
    }
    let busy_for = Duration::from_secs(60 * minutes);
    busy(plimsoll, &file, running.pid(), busy_for, &mut out)?;
    drop(running);
    let _ = std::fs::remove_dir_all(&folder);
    Ok(out)
}

/// The process while all routes have traffic.
fn busy(
    plimsoll: &Path,
    config: &Path,
    pid: u32,
    busy_for: Duration,
    out: &mut String,
) -> Result<(), String> {
    let rate = format!("{RATE}/s");
    let duration = format!("{}s", busy_for.as_secs());
    let mut load = Command::new(npm::absolute(plimsoll)?)
        .args([
            "load",
            "--mix",
            "all",
            "--json",
            "--duration",
            &duration,
            "--rate",
            &rate,
        ])
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("the load does not start: {e}"))?;
    let (cpu, begun) = (cpu_by_thread(pid), Instant::now());
    let (mut most, mut files) = (0, 0);
    while load.try_wait().map_err(|e| e.to_string())?.is_none() {
        most = most.max(resident(pid)?);
        files = told(pid, "RssFile:")?;
        std::thread::sleep(Duration::from_secs(1));
    }
    let threads = used(&cpu, &cpu_by_thread(pid));
    let requests = RATE as f64 * begun.elapsed().as_secs_f64();
    let each = |name: &str| 1e6 * cpu_of(&threads, name) / requests;
    let _ = writeln!(
        out,
        "\n| with {RATE} requests per second on all routes | |\n|---|---|\n\
         | the process at most (resident) | {:.1} MiB |\n\
         | of that, at the end, pages of the program's own file | {:.1} MiB |\n\
         | telemetry's thread, per request | {:.2} µs |\n\
         | learning, per request | {:.2} µs |",
        most as f64 / f64::from(1 << 20),
        files as f64 / f64::from(1 << 20),
        each("telemetry"),
        each("loop-learn"),
    );
    let mib = most as f64 / f64::from(1 << 20);
    *out += &verdict(
        "MiB, with the history and traffic on all routes",
        mib,
        MOST_MIB,
    );
    let each = each("telemetry") + each("loop-learn");
    *out += &verdict("µs of telemetry and learning per request", each, MOST_US);
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}

fn config(listen: SocketAddr, console: SocketAddr, service: SocketAddr, data: &Path) -> String {
    let mut text = format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n\
         services: {{ app: {{ instances: [\"{service}\"], price: $0.05/h }} }}\nroutes:\n",
        data.display()
    );
    let mut loads = String::from("loads:\n  all:\n");
    for i in 0..ROUTES {
        let _ = writeln!(
            text,
            "  things-{i}: {{ match: \"GET /api/v1/things-{i}/{{id}}\", to: app, slo: {{ latency: 250ms, target: 99% }} }}"
        );
        let _ = writeln!(
            loads,
            "    - {{ request: \"GET /api/v1/things-{i}/{{1..50}}\" }}"
        );
    }
    text + &loads
}

/// As Grafana asks: about a thousand points.
fn question(query: &str, now_ms: u64) -> String {
    let query: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
    let (end, start) = (now_ms / 1000, (now_ms - 30 * DAY_MS) / 1000);
    format!("/api/v1/query_range?query={query}&start={start}&end={end}&step=2592")
}

/// Writes 35 days as the product would have.
fn fill(file: &Path, now_ms: u64) -> Result<past::Summary, String> {
    let store = Embedded::open(file).map_err(|e| e.to_string())?;
    let mut past = Past::new(Bounds {
        counts_ms: DAYS * DAY_MS,
        buckets_ms: BUCKETS_MS,
        bytes: usize::MAX,
    });
    let mut at = (now_ms - DAYS * DAY_MS) / COARSE_MS * COARSE_MS;
    let mut chance = 7u64;
    while at <= now_ms {
        let age = now_ms - at;
        let step = if age > FINE_KEEP_MS {
            COARSE_MS
        } else {
            FINE_MS
        };
        let rows = past.push(
            at + FINE_MS,
            counts(step / FINE_MS, age < BUCKETS_MS, &mut chance),
        );
        let put = |row: &past::Row| store.put(Put::new(row.key(), row.bytes()), 0);
        let acks: Vec<_> = rows.iter().map(put).collect();
        for ack in acks {
            ack.wait().map_err(|e| e.to_string())?;
        }
        at += step;
    }
    for (page, series) in past.series().chunks(NAMES).enumerate() {
        let names = serde_json::to_vec(series).map_err(|e| e.to_string())?;
        let put = Put::new(key(NAMES_PREFIX, page as u64), names);
        (store.put(put, 0).wait()).map_err(|e| e.to_string())?;
    }
    Ok(past.summary())
}

/// Of a slot that is as long as so many fine ones.
fn counts(fine: u64, latencies: bool, chance: &mut u64) -> Vec<(Series, u64)> {
    let mut below = |n: u64| {
        *chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*chance >> 33) % n
    };
    let mut all = Vec::new();
    for route in 0..ROUTES {
        let name = format!("things-{route}");
        for (status, most) in [("2xx", 50), ("4xx", 3), ("5xx", 2)] {
            let n = below(most * fine);
            all.push((Series::new(&metric::REQUESTS, &[&name, "base", status]), n));
        }
        let labels = [name.as_str(), "base"];
        all.push((
            Series::new(&metric::DURATION_COUNT, &labels),
            below(55 * fine),
        ));
        all.push((
            Series::new(&metric::DURATION_SUM, &labels),
            below(2_000_000 * fine),
        ));
        for i in 0..if latencies { WIDE } else { 0 } {
            let part = Series::new(&metric::DURATIONS, &labels).of_part(20 + (route + 3 * i) % 60);
            all.push((part, below(8 * fine)));
        }
    }
    all.retain(|c| c.1 > 0);
    all
}

/// Bytes of a file; 0: there is none.
pub fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |m| m.len())
}

/// Resident memory, bytes.
pub fn resident(pid: u32) -> Result<u64, String> {
    told(pid, "VmRSS:")
}

/// What the kernel tells of a process under this name, bytes.
fn told(pid: u32, name: &str) -> Result<u64, String> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|k| k * 1024).ok_or_else(|| format!("no {name}"))
}
