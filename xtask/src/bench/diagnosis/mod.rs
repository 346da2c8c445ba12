//! Applications with planted bottlenecks, live: is the answer right, and are the numbers? One row per scenario and seed.
//! Rows are kept in `target/diagnosis`, so a run that was stopped goes on where it was; remove them to start afresh.

use super::npm;
use super::stats::spread;
use peers::{Postgres, Redis};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Its packages.
const PACKAGES: [&str; 2] = ["pg@8.23.1", "ioredis@6.0.0"];

/// What the order service works with: PostgreSQL on one core, and Redis.
struct Servers {
    app: PathBuf,
    database: Postgres,
    store: Redis,
}

impl Servers {
    fn start() -> Result<Servers, String> {
        let folder = npm::absolute(Path::new("target/orders"))?;
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        npm::install(&folder, &PACKAGES)?;
        // Beside its packages, where node looks for them.
        let app = folder.join("orders.js");
        std::fs::copy("examples/orders/orders.js", &app)
            .map_err(|e| format!("examples/orders/orders.js: {e}"))?;
        let database = Postgres::start(&[
            "shared_preload_libraries=pg_stat_statements",
            "max_parallel_workers_per_gather=0",
        ])?;
        database.one_core()?;
        Ok(Servers {
            app,
            database,
            store: Redis::start(&[])?,
        })
    }

    fn args(&self) -> Vec<String> {
        let app = self.app.display().to_string();
        let (database, store) = (self.database.url(), self.store.url());
        [("--app", app), ("--database", database), ("--store", store)]
            .map(|(key, value)| [key.to_owned(), value])
            .concat()
    }
}

/// Runs what is missing, of those named or of all, and writes the tables.
pub fn run(plimsoll: &Path, only: &[String], seeds: u64) -> Result<String, String> {
    let folder = PathBuf::from("target/diagnosis");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = names(plimsoll)?;
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let servers = match Servers::start() {
        Ok(servers) => Some(servers),
        Err(why) => {
            missing.push(format!("everything on real databases: {why}"));
            None
        }
    };
    let servers = servers.as_ref().map_or(Vec::new(), Servers::args);
    let bench = Bench {
        plimsoll,
        folder: &folder,
        servers: &servers,
    };
    let names = names
        .iter()
        .filter(|n| only.is_empty() || only.contains(n))
        .map(String::as_str)
        .collect::<Vec<_>>();
    bench.watch_shops(&names, seeds);
    for seed in 1..=seeds {
        for name in &names {
            match bench.row(name, seed) {
                Ok(r) => rows.push(r),
                Err(why) => missing.push(format!("{name}, seed {seed}: {why}")),
            }
        }
    }
    let mut out = String::new();
    answers(&mut out, &rows);
    lines(&mut out, &rows);
    estimates(&mut out, &rows);
    for m in missing {
        let _ = writeln!(out, "\nMissing: {m}");
    }
    Ok(out)
}

fn names(plimsoll: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new(plimsoll)
        .args(["example", "planted", "--list"])
        .output()
        .map_err(|e| format!("{}: {e}", plimsoll.display()))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

/// What all rows are made with.
struct Bench<'a> {
    plimsoll: &'a Path,
    folder: &'a Path,
    servers: &'a [String],
}

/// Scenarios that are only watched run so many at a time: each has a shop of its own, and leaves most of the machine idle.
const AT_ONCE: usize = 4;
/// How scenarios are named that share the databases, and run one by one.
const ON_DATABASES: [&str; 3] = ["pg-", "redis-", "node-"];

impl Bench<'_> {
    /// The truth is measured once, with the first seed; the others are watched, here those of the shop. A row that fails is
    /// missed, and named, when it is asked for.
    fn watch_shops(&self, names: &[&str], seeds: u64) {
        let shops = names
            .iter()
            .filter(|n| !ON_DATABASES.iter().any(|p| n.starts_with(p)));
        let all: Vec<(&str, u64)> = shops
            .flat_map(|n| (2..=seeds).map(|seed| (*n, seed)))
            .collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(all.len()) {
                scope.spawn(|| {
                    while let Some((name, seed)) = all.get(next.fetch_add(1, Relaxed)) {
                        let _ = self.row(name, *seed);
                    }
                });
            }
        });
    }

    fn row(&self, name: &str, seed: u64) -> Result<Value, String> {
        let kept = self.folder.join(format!("{name}-{seed}.json"));
        let read = |text: &str| serde_json::from_str(text).map_err(|e| format!("not a row: {e}"));
        if let Ok(text) = std::fs::read_to_string(&kept) {
            return read(&text);
        }
        eprintln!("{name}, seed {seed}");
        let recording = self.folder.join(format!("{name}-{seed}"));
        // Left over from a run that was stopped.
        let _ = std::fs::remove_dir_all(&recording);
        let mut command = Command::new(self.plimsoll);
        command
            .args(["example", "planted", name, "--seed", &seed.to_string()])
            .arg("--out")
            .arg(&recording)
            .args(self.servers);
        if seed == 1 {
            command.arg("--truth");
        }
        let done = command.output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if text.trim().is_empty() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
        }
        std::fs::write(&kept, &text).map_err(|e| format!("{}: {e}", kept.display()))?;
        read(&text)
    }
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or("—")
}

fn yes(v: &Value) -> &'static str {
    match v.as_bool() {
        Some(true) => "right",
        _ => "WRONG",
    }
}

fn answers(out: &mut String, rows: &[Value]) {
    let _ = writeln!(
        out,
        "| planted | seed | answer | class | resource | route | confidence | highest utilisation (USE) | host CPU |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for r in rows {
        let j = &r["judged"];
        let _ = writeln!(
            out,
            "| {} | {} | {} {} | {} {} | {} {} | {} | {:.2} | {} | {:.0} % |",
            text(&r["what"]),
            r["seed"],
            text(&r["verdict"]["kind"]),
            yes(&j["verdict"]),
            text(&r["class"]),
            yes(&j["class"]),
            text(&r["resource"]),
            yes(&j["resource"]),
            yes(&j["route"]),
            r["confidence"].as_f64().unwrap_or(0.0),
            text(&r["most_utilised"]),
            100.0 * r["host_cpu"].as_f64().unwrap_or(0.0),
        );
    }
    let right = |part: &str| {
        let n = rows.iter().filter(|r| r["judged"][part] == true).count();
        format!("{part} {n} of {}", rows.len())
    };
    let all: Vec<String> = ["verdict", "class", "resource", "route"]
        .map(right)
        .to_vec();
    let sure = rows
        .iter()
        .filter(|r| r["confidence"].as_f64() >= Some(0.9));
    let (of, wrong) = sure.fold((0, 0), |(of, wrong), r| {
        (of + 1, wrong + usize::from(r["judged"]["resource"] != true))
    });
    let _ = writeln!(
        out,
        "\nRight: {}. At confidence 0.9 or more: {of} answers, {wrong} wrong.",
        all.join(", ")
    );
}

/// Relative error of `predicted` against `measured`, signed.
fn error(predicted: &Value, measured: &Value) -> Option<f64> {
    Some(predicted.as_f64()? / measured.as_f64().filter(|m| *m > 0.0)? - 1.0)
}

fn percent(e: Option<f64>) -> String {
    e.map_or("—".into(), |e| format!("{:+.0} %", 100.0 * e))
}

fn rps(v: &Value) -> String {
    v.as_f64().map_or("—".into(), |v| format!("{v:.0}"))
}

fn lines(out: &mut String, rows: &[Value]) {
    let _ = writeln!(
        out,
        "\n| planted | watched at | line measured | predicted (safe) | error | 70 % rule | USL | lifted by | predicted | measured | error of the gain |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
    let (mut ours, mut seventy, mut usl, mut gains) = (vec![], vec![], vec![], vec![]);
    for r in rows.iter().filter(|r| r["line"]["measured"].is_number()) {
        let (l, g) = (&r["line"], &r["gain"]);
        let errors = [
            error(&l["predicted"], &l["measured"]),
            error(&l["seventy_percent"], &l["measured"]),
            error(&l["usl"], &l["measured"]),
        ];
        let gain = error(&g["predicted"], &g["measured"])
            .zip(errors[0])
            .map(|(after, before)| (1.0 + after) / (1.0 + before) - 1.0);
        for (to, e) in [&mut ours, &mut seventy, &mut usl].into_iter().zip(errors) {
            to.extend(e.map(f64::abs));
        }
        gains.extend(gain.map(f64::abs));
        let at = error(&r["rate"], &l["measured"]).map(|e| 1.0 + e);
        let _ = writeln!(
            out,
            "| {} | {:.0}/s ({}) | {} | {} ({}) | {} | {} | {} | {} | {} | {} | {} |",
            text(&r["scenario"]),
            r["rate"].as_f64().unwrap_or(0.0),
            at.map_or("—".into(), |a| format!("{:.0} %", 100.0 * a)),
            rps(&l["measured"]),
            rps(&l["predicted"]),
            rps(&l["safe"]),
            percent(errors[0]),
            percent(errors[1]),
            percent(errors[2]),
            text(&g["change"]),
            rps(&g["predicted"]),
            rps(&g["measured"]),
            percent(gain),
        );
    }
    let said = |name: &str, v: &[f64]| {
        spread(v).map_or(format!("{name}: nothing to compare"), |s| {
            format!(
                "{name}: median {:.0} % ({:.0}–{:.0}) of {}",
                100.0 * s.median,
                100.0 * s.low,
                100.0 * s.high,
                v.len()
            )
        })
    };
    let _ = writeln!(
        out,
        "\nErrors of the load line, without sign. {}; {}; {}. {}.",
        said("Ours", &ours),
        said("70 % rule", &seventy),
        said("USL", &usl),
        said("Gain of the change", &gains)
    );
}

fn estimates(out: &mut String, rows: &[Value]) {
    let keys = ["ours", "nnls_1s", "nnls_10s", "apportioned"];
    let _ = writeln!(
        out,
        "\n| planted | ours | NNLS, 1 s | NNLS, 10 s | by response time | true values inside our 90 % intervals |\n\
         |---|---|---|---|---|---|"
    );
    let mut all = vec![Vec::new(); keys.len()];
    let (mut inside, mut of) = (0, 0);
    for r in rows.iter().filter(|r| r["estimates"].is_object()) {
        let e = &r["estimates"];
        let values = keys.map(|k| e[k].as_f64().unwrap_or(f64::NAN));
        for (to, v) in all.iter_mut().zip(values) {
            to.push(v);
        }
        let count = |k: &str| e[k].as_u64().unwrap_or(0);
        inside += count("inside");
        of += count("of");
        let cells = values.map(|v| format!("{:.0} %", 100.0 * v)).join(" | ");
        let _ = writeln!(
            out,
            "| {}, {} | {cells} | {} of {} |",
            text(&r["scenario"]),
            r["seed"],
            count("inside"),
            count("of")
        );
    }
    let medians = all
        .iter()
        .map(|v| spread(v).map_or("—".into(), |s| format!("{:.0} %", 100.0 * s.median)));
    let _ = writeln!(
        out,
        "| median | {} | {inside} of {of} |",
        medians.collect::<Vec<String>>().join(" | ")
    );
}
