//! `cargo xtask bench disk`: what an answer from the cache's disk costs and how long it takes, beside one from memory and
//! beside nginx, which keeps its answers in files too. On one core.

use super::cores;
use super::drive::Drive;
use super::machine::{self, First};
use super::peers::{self, Proxy, Stage};
use super::proxy::{Turn, paired, range};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: usize = 64;
/// Pages in turn: about fifteen times what the memory beside the disk holds.
const PAGES: usize = 20_000;
/// While they are stored, requests per second: no write is to be refused.
const FILL: f64 = 4000.0;
/// Requests one after another, for latency.
const ALONE: usize = 10_000;

const METHOD: &str = "# What an answer from the cache's disk costs, beside memory and beside nginx

```sh
apt-get install nginx
cargo xtask bench disk --pairs 4 > bench/disk.md   # about two minutes, after a build with fat LTO
```

One core for each proxy with all of its threads, one traffic thread of ours and one worker of nginx; 20000 pages of 1 KiB in turn over 64
keep-alive connections, each fresh for an hour. `disk`: Plimsoll with 2 MiB of memory and 256 MiB of disk, so that nearly every
answer has to be brought from there; `memory`: Plimsoll with room for all of them; nginx: `proxy_cache_path`. The files of both are in the page
cache: this is what the software costs, not the device. Latency: one request after another on one connection, hits only; the client
never sleeps.

";

pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    let _first = First::now();
    measure(plimsoll, machine::folder()?.path(), pairs, &mut out)?;
    Ok(out)
}

fn measure(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    cores::pin(1)?;
    let mut drive = Drive::new().map_err(|e| e.to_string())?.cacheable();
    let stage = Stage::one_core(drive.upstream().map_err(|e| e.to_string())?, dir);
    let cache = format!(
        "{{ size: 2MiB, max_body: 64KiB, disk: {{ path: \"{}\", size: 256MiB }} }}",
        dir.join("disk").display()
    );
    let disk = peers::plimsoll_cache(&stage, plimsoll, &cache)?;
    let memory = peers::plimsoll_cache(&stage, plimsoll, "{ size: 256MiB }")?;
    let nginx = peers::nginx_cache(&stage)?;
    for proxy in [&disk, &memory, &nginx] {
        fill(&mut drive, proxy)?;
    }
    drive.pages(PAGES, 1);
    let _ = writeln!(
        out,
        "\n| beside | CPU of a disk hit, this = 1 | its µs | disk hit µs | of it traffic thread | requests to the upstream |\n|---|---|---|---|---|---|"
    );
    for (name, peer) in [("memory", &memory), ("nginx", &nginx)] {
        let before = drive.answered;
        let turns = paired(&mut drive, [peer, &disk], pairs, CONNECTIONS, None)?;
        let ratio = |f: fn(&Turn) -> f64| range(&turns, 2, move |(a, b)| f(b) / f(a));
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} |",
            ratio(|t| t.all),
            range(&turns, 1, |(a, _)| a.all),
            range(&turns, 1, |(_, b)| b.all),
            range(&turns, 1, |(_, b)| b.path),
            drive.answered - before,
        );
    }
    let _ = writeln!(
        out,
        "\n| one after another | hits of {ALONE} | p50 µs | p99 µs |\n|---|---|---|---|"
    );
    for (name, proxy) in [("disk", &disk), ("memory", &memory), ("nginx", &nginx)] {
        let (hits, p50, p99) = latency(&mut drive, proxy)?;
        let _ = writeln!(out, "| {name} | {hits} | {p50:.0} | {p99:.0} |");
    }
    let _ = writeln!(out, "\nRequests that failed: {}.", drive.errors);
    Ok(())
}

/// Each page twice, because what is asked for once is not for the disk.
fn fill(drive: &mut Drive, proxy: &Proxy) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", proxy.name);
    drive.pages(PAGES, 2);
    drive.connect(proxy.address, 1).map_err(fail)?;
    let time = 1.2 * (2 * PAGES) as f64 / FILL;
    drive
        .run(Duration::from_secs_f64(time), Some(FILL))
        .map_err(fail)?;
    drive.disconnect();
    Ok(())
}

/// Of hits only, one after another: how many they were, and their median and 99 % quantile, µs.
fn latency(drive: &mut Drive, proxy: &Proxy) -> Result<(usize, f64, f64), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", proxy.name);
    drive.connect(proxy.address, 1).map_err(fail)?;
    let mut took: Vec<f64> = Vec::with_capacity(ALONE);
    for _ in 0..ALONE {
        let one = drive.one().map_err(fail)?;
        took.extend(one.map(|t| t.as_secs_f64() * 1e6));
    }
    drive.disconnect();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(took.len() * share / 100).copied();
    let (Some(p50), Some(p99)) = (at(50), at(99)) else {
        return Err(format!("{}: no hit", proxy.name));
    };
    Ok((took.len(), p50, p99))
}
