//! A backlog: how long it takes to open, what memory it needs, how fast it drains.

use super::producers::{PAYLOAD, job};
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;
use store::{Bounds, Embedded, Finish, Queue};

const JOBS: usize = 300_000;
const BATCH: usize = 500;
/// Jobs that are drained, leased so many at a time.
const DRAINED: usize = 60_000;
const LEASED: usize = 128;

pub fn measure(dir: &Path, out: &mut String) -> Result<(), String> {
    let text = |e: store::Error| e.to_string();
    let path = dir.join("backlog.db");
    let store = Embedded::open(&path).map_err(text)?;
    let began = Instant::now();
    let mut acks = std::collections::VecDeque::new();
    for i in 0..JOBS / BATCH {
        let jobs = (0..BATCH).map(|n| job((i * BATCH + n) as u128)).collect();
        acks.push_back(store.enqueue(jobs, Bounds::NONE));
        if acks.len() > 4 {
            acks.pop_front()
                .map_or(Ok(Vec::new()), |a| a.wait())
                .map_err(text)?;
        }
    }
    for ack in acks {
        ack.wait().map_err(text)?;
    }
    let fill = JOBS as f64 / began.elapsed().as_secs_f64();
    drop(store);
    let size = std::fs::metadata(&path).map_or(0, |m| m.len()) as f64;
    let before = resident_mib();
    let began = Instant::now();
    let store = Embedded::open(&path).map_err(text)?;
    let opened = began.elapsed();
    let first = store.lease("orders", 1, 10, 2).wait().map_err(text)?;
    let lent = began.elapsed();
    if first.len() != 1 || store.lanes().map_err(text)?[0].waiting != JOBS as u64 {
        return Err("the backlog is not what was put".into());
    }
    let began = Instant::now();
    let mut drained = 0;
    while drained < DRAINED {
        let leased = store.lease("orders", LEASED, u64::MAX >> 1, 2).wait();
        let acks: Vec<_> = (leased.map_err(text)?.into_iter())
            .map(|j| store.finish(j.id, j.attempt, Finish::Done { result: vec![] }, 3))
            .collect();
        drained += acks.len();
        for ack in acks {
            ack.wait().map_err(text)?;
        }
    }
    let drain = drained as f64 / began.elapsed().as_secs_f64();
    let _ = writeln!(
        out,
        "A backlog of {JOBS} jobs of {PAYLOAD} bytes: filled at {fill:.0}/s in batches of {BATCH}; {:.2} times its payload on disk; open in \
         {:.1} ms, the first job lent after {:.1} ms; drained at {drain:.0}/s (lent {LEASED} at a time, each acknowledged \
         by itself); {:.0} MiB of memory more than before it was opened.",
        size / (JOBS * PAYLOAD) as f64,
        opened.as_secs_f64() * 1e3,
        lent.as_secs_f64() * 1e3,
        resident_mib() - before,
    );
    Ok(())
}

fn resident_mib() -> f64 {
    super::super::stats::memory_kib(std::process::id()) / 1024.0
}
