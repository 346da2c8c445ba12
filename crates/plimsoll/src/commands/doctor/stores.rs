//! The files in `data_dir`: whether each is whole, ours and not of a newer version, its size and that of its log. They are only read, for
//! a while each, also while Plimsoll runs.

use super::disk::mib;
use super::{Check, Grade};
use crate::commands::backup::FILES;
use crate::wire::{jobs, past, traces};
use config::Config;
use config::sections::KeptIn;
use std::path::Path;
use std::time::Duration;
use store::Embedded;

/// How long one file is looked through.
const LOOK: Duration = Duration::from_secs(5);
/// A log beyond this is not written back as it should be, bytes: it is cut to 64 MiB when it is.
const LONG: u64 = 256 << 20;

pub fn checks(config: &Config) -> Vec<Check> {
    let dir = &config.data_dir;
    let names = FILES.into_iter().chain([traces::FILE]);
    let files = names.map(|name| dir.join(name)).chain([past::file(config)]);
    let there = files.filter(|file| file.exists());
    let mut all: Vec<Check> = there.map(|file| look(&file, LOOK)).collect();
    all.extend(left_behind(config));
    all
}

/// What waits in this node's file, and is delivered from nowhere since an engine has what comes.
fn left_behind(config: &Config) -> Vec<Check> {
    let file = config.data_dir.join(jobs::FILE);
    let shares = [
        (config.shares_topics(), "topics", "events"),
        (config.engines.jobs == KeptIn::Durable, "jobs", "jobs"),
    ];
    let Ok(own) = Embedded::open_read_only(&file) else {
        // What is wrong with it is said above.
        return Vec::new();
    };
    let one = |(shared, key, what): (bool, &str, &str)| {
        let lane = jobs::left_behind(&own, key == "topics").ok().flatten();
        let lane = lane.filter(|_| shared)?;
        let text = format!(
            "{}: {} {what} wait for `{}`, and `engines.{key}: durable` has none delivered from there: Plimsoll does not start; \
             start once with `engines.{key}: embedded` until `plimsoll {key} status` shows none waiting",
            file.display(),
            lane.waiting,
            lane.name
        );
        Some(Check::new("store", Grade::Wrong, text))
    };
    shares.into_iter().filter_map(one).collect()
}

fn look(file: &Path, within: Duration) -> Check {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = size(Path::new(&log));
    let found = Embedded::open_read_only(file).and_then(|store| store.check_within(within));
    let shown = file.display();
    let (grade, text) = match found {
        Ok((found, _)) if !found.is_empty() => {
            let help = "stop Plimsoll, move it away, and restore the last backup";
            (
                Grade::Wrong,
                format!("{shown}: {}; {help}", found.join("; ")),
            )
        }
        Ok((_, whole)) => {
            let whole = match whole {
                true => "is whole".to_owned(),
                false => format!(
                    "no damage found in {} s, not all was looked at",
                    within.as_secs()
                ),
            };
            let sizes = format!("{}, log {}", mib(size(file)), mib(log));
            match log > LONG {
                true => (
                    Grade::Note,
                    format!(
                        "{shown}: {whole}; {sizes}: the log is not written back; something has been reading for long"
                    ),
                ),
                false => (Grade::Good, format!("{shown}: {whole}; {sizes}")),
            }
        }
        Err(e) => (Grade::Wrong, e.to_string()),
    };
    Check::new("store", grade, text)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};
    use store::{Bounds, Kv, NewJob, Put, Queue};

    const PLENTY: Duration = Duration::from_secs(60);

    fn put(store: &Embedded, n: u32) {
        let put = Put::new(format!("k{n}"), vec![n as u8; 2000]);
        store.put(put, 0).wait().unwrap();
    }

    fn write(file: &Path, at: u64, bytes: &[u8]) {
        let mut file = std::fs::File::options().write(true).open(file).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    #[test]
    fn a_file_in_use_is_looked_through_and_its_process_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.db");
        let store = Embedded::open(&file).unwrap();
        (0..50).for_each(|n| put(&store, n));
        let check = look(&file, PLENTY);
        assert_eq!(check.grade, Grade::Good, "{check:?}");
        assert!(
            check.text.contains("is whole; ") && !check.text.contains("log 0.0"),
            "{check:?}"
        );
        put(&store, 50);
        assert_eq!(store.count("k", 0), Ok(51));
        let hasty = look(&file, Duration::ZERO);
        assert_eq!(hasty.grade, Grade::Good);
        assert!(hasty.text.contains("not all was looked at"), "{hasty:?}");
    }

    #[test]
    fn damage_and_a_newer_version_are_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("queue.db");
        let store = Embedded::open(&file).unwrap();
        (0..200).for_each(|n| put(&store, n));
        drop(store);
        let whole = std::fs::read(&file).unwrap();
        write(&file, whole.len() as u64 / 2, &[0xa5; 8192]);
        let check = look(&file, PLENTY);
        assert_eq!(check.grade, Grade::Wrong, "{check:?}");
        assert!(check.text.contains("restore the last backup"), "{check:?}");
        // `user_version`, where SQLite has it.
        std::fs::write(&file, &whole).unwrap();
        write(&file, 60, &99u32.to_be_bytes());
        let check = look(&file, PLENTY);
        assert_eq!(check.grade, Grade::Wrong);
        assert!(
            check.text.contains("written by a newer version"),
            "{check:?}"
        );
        std::fs::write(&file, "no database, by far").unwrap();
        assert_eq!(look(&file, PLENTY).grade, Grade::Wrong);
    }

    /// One that waits.
    pub fn job(lane: &str, secret: u128) -> NewJob {
        NewJob {
            secret,
            lane: lane.into(),
            tenant: String::new(),
            weight: 1,
            key: None,
            blocks: false,
            enqueued_ms: 1,
            due_ms: 1,
            expires_ms: u64::MAX >> 1,
            title: String::new(),
            head: Vec::new(),
            payload: Vec::new(),
        }
    }

    #[test]
    fn what_waits_in_a_file_that_nobody_delivers_from_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path().join(jobs::FILE)).unwrap();
        let lanes = ["topics/t/audit", "orders", "orders"];
        let jobs = (1..).zip(lanes).map(|(n, lane)| job(lane, n)).collect();
        store.enqueue(jobs, Bounds::NONE).wait().unwrap();
        let told = |topics, jobs| {
            let mut config = Config::empty();
            config.data_dir = dir.path().to_owned();
            config.engines.durable = Some(config::Secret::Text("nats://h".into()));
            (config.engines.topics, config.engines.jobs) = (topics, jobs);
            let all = left_behind(&config).into_iter();
            all.map(|c| (c.grade, c.text)).collect::<Vec<_>>()
        };
        let (here, there) = (KeptIn::Embedded, KeptIn::Durable);
        assert_eq!(told(here, here), []);
        let all = told(there, there);
        assert!(all.iter().all(|c| c.0 == Grade::Wrong), "{all:?}");
        assert!(all[0].1.contains("1 events wait for `topics/t/audit`"));
        assert!(all[1].1.contains("2 jobs wait for `orders`"));
        assert_eq!((told(there, here).len(), told(here, there).len()), (1, 1));
    }
}
