//! The disk under `data_dir`: whether it is one, how fast it syncs, and whether the files there are whole.

use super::{Check, Grade};
use config::Config;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use store::Embedded;

/// Writes that are synced one by one, and their bytes.
const SYNCS: usize = 40;
const BYTES: usize = 4096;
/// Slower than this nobody waits gladly for.
const SLOW: Duration = Duration::from_millis(25);
/// Of `statfs`: file systems that are memory.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

pub fn checks(config: &Config) -> Vec<Check> {
    let dir = &config.data_dir;
    let mut all = vec![match syncs(dir) {
        Ok(took) => judge(dir, is_memory(dir), took),
        Err(e) => {
            let text = format!("{} cannot be written to: {e}", dir.display());
            Check::new("disk", Grade::Wrong, text)
        }
    }];
    for name in ["control.db", "queue.db", "events.db"] {
        let file = dir.join(name);
        if file.exists() {
            all.push(whole(&file));
        }
    }
    all
}

/// Times of writes that were synced, shortest first.
fn syncs(dir: &Path) -> std::io::Result<Vec<Duration>> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(format!("doctor-{}.tmp", std::process::id()));
    let timed = || {
        let mut file = File::create(&path)?;
        let mut took = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let begun = Instant::now();
            file.write_all(&[0x55; BYTES])?;
            file.sync_data()?;
            took.push(begun.elapsed());
        }
        took.sort();
        Ok(took)
    };
    let timed = timed();
    // Left behind, it is in nobody's way.
    let _ = std::fs::remove_file(&path);
    timed
}

fn is_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|s| IN_MEMORY.contains(&s.f_type))
}

fn judge(dir: &Path, is_memory: bool, took: Vec<Duration>) -> Check {
    let at = |share: f64| {
        took.get((share * took.len() as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    let (half, most) = (at(0.5), at(0.95));
    let text = format!(
        "{}: a write is synced in {:.2} ms, 19 of 20 in {:.2} ms",
        dir.display(),
        1e3 * half.as_secs_f64(),
        1e3 * most.as_secs_f64()
    );
    match (is_memory, most > SLOW) {
        (true, _) => {
            let text = format!(
                "{} is memory: ledger and jobs are gone with the host; name a folder on a disk",
                dir.display()
            );
            Check::new("disk", Grade::Wrong, text)
        }
        (_, true) => {
            let text = format!("{text}: every acknowledged job waits for that; use a faster disk");
            Check::new("disk", Grade::Note, text)
        }
        _ => Check::new("disk", Grade::Good, text),
    }
}

fn whole(file: &Path) -> Check {
    let found = Embedded::open_read_only(file).and_then(|store| store.check());
    let (grade, text) = match found {
        Ok(found) if found.is_empty() => (Grade::Good, format!("{} is whole", file.display())),
        Ok(found) => (
            Grade::Wrong,
            format!("{}: {}", file.display(), found.join("; ")),
        ),
        Err(e) => (Grade::Wrong, e.to_string()),
    };
    Check::new("store", grade, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_noted_and_memory_is_none() {
        let dir = Path::new("/d");
        let of = |ms| vec![Duration::from_millis(ms); 40];
        assert_eq!(judge(dir, false, of(1)).grade, Grade::Good);
        assert_eq!(judge(dir, false, of(60)).grade, Grade::Note);
        assert_eq!(judge(dir, true, of(0)).grade, Grade::Wrong);
    }
}
