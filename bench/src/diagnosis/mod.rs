//! Applications with planted bottlenecks, live: is the answer right, and are the numbers?
//!
//! A row for each scenario and seed, kept in `bench/diagnosis` (recordings in `target/diagnosis`), so that a run that was stopped
//! goes on where it was, and rows can be made again one by one. The tables of `bench/diagnosis.md` are made of the rows.

mod kept;
mod page;
mod servers;
mod tables;
mod targets;

use kept::Kept;
use serde_json::Value;
use servers::Servers;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const ROWS: &str = "bench/diagnosis";
const RECORDINGS: &str = "target/diagnosis";
const PAGE: &str = "bench/diagnosis.md";

/// What a run is asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Scenarios; all when empty.
    pub names: Vec<String>,
    /// Scenarios that are forgotten first, and the only ones that run then.
    pub again: Vec<String>,
    pub seeds: u64,
    /// So many measurements at most (a watch, or a line), and the rest another time.
    pub at_most: Option<usize>,
}

/// Measures what is missing, answers anew from the recordings that are here, and writes the page.
pub fn run(plimsoll: &Path, ask: &Ask) -> Result<String, String> {
    let rows = PathBuf::from(ROWS);
    for folder in [ROWS, RECORDINGS] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{folder}: {e}"))?;
    }
    let all = names(plimsoll)?;
    let asked = match ask.again.is_empty() {
        true => &ask.names,
        false => &ask.again,
    };
    if let Some(unknown) = asked.iter().find(|n| !all.contains(n)) {
        return Err(format!(
            "no scenario {unknown}; there are {}",
            all.join(", ")
        ));
    }
    let wanted: Vec<(String, u64)> = (1..=ask.seeds)
        .flat_map(|seed| all.iter().map(move |n| (n.clone(), seed)))
        .collect();
    let now: Vec<&(String, u64)> = wanted
        .iter()
        .filter(|(n, _)| asked.is_empty() || asked.contains(n))
        .collect();
    for (name, seed) in now.iter().filter(|w| ask.again.contains(&w.0)) {
        let _ = std::fs::remove_file(Kept::path(&rows, name, *seed));
        let _ = std::fs::remove_dir_all(recording(name, *seed));
    }
    let mut bench = Bench {
        plimsoll,
        rows: &rows,
        servers: Vec::new(),
        left: AtomicUsize::new(ask.at_most.unwrap_or(usize::MAX)),
        notes: Mutex::default(),
        stamp: kept::now(),
    };
    let databases = bench.needs_databases(&now);
    let servers = databases.then(Servers::start);
    match &servers {
        Some(Ok(s)) => bench.servers = s.args(),
        Some(Err(why)) => bench.note(format!("No scenario on real databases was run: {why}")),
        None => {}
    }
    bench.watch_shops(&now);
    for (name, seed) in &now {
        bench.row(name, *seed);
    }
    bench.answer_again(&now)?;
    let kept = wanted
        .iter()
        .map(|(n, seed)| Kept::read(&rows, n, *seed))
        .collect::<Result<Vec<_>, _>>()?;
    let notes = bench.notes.into_inner().unwrap_or_default();
    let tables = page::tables(&kept, &wanted, &notes);
    page::write(Path::new(PAGE), &tables)?;
    Ok(tables)
}

fn names(plimsoll: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new(plimsoll)
        .args(["example", "planted", "--list"])
        .output()
        .map_err(|e| format!("{}: {e}", plimsoll.display()))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

fn recording(name: &str, seed: u64) -> PathBuf {
    Path::new(RECORDINGS).join(format!("{name}-{seed}"))
}

/// What all rows are made with.
struct Bench<'a> {
    plimsoll: &'a Path,
    rows: &'a Path,
    servers: Vec<String>,
    /// Measurements that may still be begun.
    left: AtomicUsize,
    notes: Mutex<Vec<String>>,
    /// Commit and date.
    stamp: Value,
}

/// Scenarios that are only watched run so many at a time: each has a shop of its own, and takes up to 15 % of two cores. With four of
/// them the host was busier than what was planted, and was named.
const AT_ONCE: usize = 2;
/// How scenarios are named that share the databases, and run one by one.
const ON_DATABASES: [&str; 3] = ["pg-", "redis-", "node-"];
/// Those that are about the whole machine, or take names of it for themselves.
const ALONE: [&str; 5] = ["quota", "memory", "neighbour", "slow-client", "link"];

fn on_databases(name: &str) -> bool {
    ON_DATABASES.iter().any(|p| name.starts_with(p))
}

fn beside_others(name: &str) -> bool {
    !on_databases(name) && !ALONE.contains(&name)
}

impl Bench<'_> {
    fn note(&self, text: String) {
        eprintln!("{text}");
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(text);
        }
    }

    fn needs_databases(&self, now: &[&(String, u64)]) -> bool {
        let open = |name: &str, seed: u64| {
            Kept::read(self.rows, name, seed).is_ok_and(|k| !k.missing().is_empty())
        };
        let left = self.left.load(Relaxed) > 0;
        left && now
            .iter()
            .any(|(n, seed)| on_databases(n) && open(n, *seed))
    }

    /// The truth is measured once, with the first seed; the others are watched, here those of the shop.
    fn watch_shops(&self, now: &[&(String, u64)]) {
        let all: Vec<_> = now
            .iter()
            .filter(|(name, seed)| *seed > 1 && beside_others(name))
            .collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(all.len()) {
                scope.spawn(|| {
                    while let Some((name, seed)) = all.get(next.fetch_add(1, Relaxed)) {
                        self.row(name, *seed);
                    }
                });
            }
        });
    }

    /// Measures what is missing of one row. What fails is noted, and tried again by the next run.
    fn row(&self, name: &str, seed: u64) {
        if on_databases(name) && self.servers.is_empty() {
            return;
        }
        let done = Kept::read(self.rows, name, seed).and_then(|mut kept| {
            for part in kept.missing() {
                // Of a scenario with nothing planted there is no line; that is known once it was watched.
                if !kept.missing().contains(&part) || !self.take() {
                    continue;
                }
                eprintln!("{name}, seed {seed}: {part}");
                self.measure(&mut kept, part)?;
                kept.write(self.rows)?;
            }
            Ok(())
        });
        if let Err(why) = done {
            self.note(format!("{name}, seed {seed}, failed: {why}"));
        }
    }

    /// Whether one more measurement may begin.
    fn take(&self) -> bool {
        let less = |n: usize| n.checked_sub(1);
        self.left.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    fn measure(&self, kept: &mut Kept, part: &str) -> Result<(), String> {
        let (name, seed) = (kept.scenario.clone(), kept.seed);
        match part {
            "watch" => {
                // Left over from a run that was stopped.
                let _ = std::fs::remove_dir_all(recording(&name, seed));
                kept.row = self.ask(&name, seed, None)?;
                kept.stamp("answered", &self.stamp);
            }
            line => match self.ask(&name, seed, Some(line)) {
                Ok(found) => drop(kept.truth.insert(line.into(), found)),
                // It is known then, and named.
                Err(why) if why.contains("to lift") => {
                    let none = serde_json::json!({ "rps": null, "why": why });
                    kept.truth.insert(line.into(), none);
                }
                Err(why) => return Err(why),
            },
        }
        kept.stamp(part, &self.stamp);
        Ok(())
    }

    /// Runs `plimsoll example planted`, which watches, reads what was recorded, or measures a line.
    fn ask(&self, name: &str, seed: u64, truth: Option<&str>) -> Result<Value, String> {
        let mut command = Command::new(self.plimsoll);
        command
            .args(["example", "planted", name, "--seed", &seed.to_string()])
            .arg("--out")
            .arg(recording(name, seed))
            .args(&self.servers);
        if let Some(which) = truth {
            command.args(["--truth", which]);
        }
        let done = command.output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if text.trim().is_empty() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
        }
        serde_json::from_str(&text).map_err(|e| format!("not a row: {e}"))
    }

    /// Answers are those of the code as it is now, where the recording is here.
    fn answer_again(&self, now: &[&(String, u64)]) -> Result<(), String> {
        for (name, seed) in now.iter().filter(|(n, s)| recording(n, *s).exists()) {
            let mut kept = Kept::read(self.rows, name, *seed)?;
            if kept.row.is_null() && kept.stamps.is_empty() {
                // A watch that was stopped: its recording is not whole.
                continue;
            }
            kept.row = self.ask(name, *seed, None)?;
            kept.stamp("answered", &self.stamp);
            kept.write(self.rows)?;
        }
        Ok(())
    }
}
