//! `cargo xtask bench hit`: what an answer from the cache costs, beside HAProxy and Varnish, on one core.

use super::cores;
use super::drive::Drive;
use super::machine::{self, First};
use super::peers::{self, Proxy, Stage};
use super::proxy::{STARTS, paired, range, times, verdict};
use std::fmt::Write;
use std::path::Path;

const CONNECTIONS: usize = 64;
/// Most CPU per hit, of each peer's.
const TARGETS: [f64; 2] = [0.80, 0.45];
/// Requests per second; none: as many as are answered, which is what the targets are for.
const LOADS: [Option<f64>; 2] = [None, Some(20_000.0)];

const METHOD: &str = "# What an answer from the cache costs, beside HAProxy and Varnish

```sh
apt-get install haproxy varnish
cargo xtask bench hit --pairs 6 > bench/hit.md   # about four minutes, after a build with fat LTO
```

As in [proxy.md](proxy.md): one core for each proxy, one thread of ours and of HAProxy (Varnish has a thread per connection
at work), 64 keep-alive connections, requests of 331 bytes with a cookie, answers of 1 KiB that are fresh for an hour.
HAProxy's cache has no `Vary`; Varnish is told to look up requests with cookies, which it passes by default. The paced rows are of what
a proxy spends when it is not busy all the time; every proxy is started three times, as there; the targets are for the saturated ones.

Where a hit's time goes (`perf record`, saturated): 73 % in the kernel, for one read and one write, 19 % in Plimsoll, 4 % in the C library. A fifth of
what is Plimsoll's own (0.28 of 1.25 µs) would have to go for the target beside Varnish.

";

pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    let _first = First::now();
    measure(plimsoll, machine::folder()?.path(), pairs, &mut out)?;
    Ok(out)
}

type Start = fn(&Stage<'_>) -> Result<Proxy, String>;

fn measure(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    cores::pin(1)?;
    let mut drive = Drive::new().map_err(|e| e.to_string())?.cacheable();
    let stage = Stage::one_core(drive.upstream().map_err(|e| e.to_string())?, dir);
    let theirs: [(&str, Start); 2] = [
        ("HAProxy", peers::haproxy_cache),
        ("Varnish", peers::varnish),
    ];
    let _ = writeln!(
        out,
        "\n| peer | load | CPU per hit, peer = 1 | target | peer µs | Plimsoll µs | of it traffic thread | cores busy: peer, Plimsoll | requests to the upstream |\n|---|---|---|---|---|---|---|---|---|"
    );
    let mut verdicts = String::new();
    for ((name, start), most) in theirs.into_iter().zip(TARGETS) {
        let mut measured: [(Vec<_>, u64); LOADS.len()] = Default::default();
        for _ in 0..STARTS {
            let (peer, ours) = (
                start(&stage)?,
                peers::plimsoll_cache(&stage, plimsoll, "{}")?,
            );
            for (rate, (turns, asked)) in LOADS.into_iter().zip(&mut measured) {
                let before = drive.answered;
                let pairs = pairs.div_ceil(STARTS);
                turns.extend(paired(
                    &mut drive,
                    [&peer, &ours],
                    pairs,
                    CONNECTIONS,
                    rate,
                )?);
                *asked += drive.answered - before;
            }
        }
        for (rate, (turns, asked)) in LOADS.into_iter().zip(measured) {
            let load = rate.map_or("saturated".to_owned(), |r| format!("{r:.0}/s"));
            let target = rate.map_or(most.to_string(), |_| "–".into());
            let _ = writeln!(
                out,
                "| {name} | {load} | {} | {target} | {} | {} | {} | {}, {} | {asked} |",
                range(&turns, 2, |(a, b)| b.all / a.all),
                range(&turns, 1, |(a, _)| a.all),
                range(&turns, 1, |(_, b)| b.all),
                range(&turns, 1, |(_, b)| b.path),
                range(&turns, 2, |(a, _)| a.busy),
                range(&turns, 2, |(_, b)| b.busy),
            );
            if rate.is_none() {
                let what = format!("CPU of {name}, saturated");
                verdicts += &verdict(&what, times(&turns, |t| t.all), most);
            }
        }
    }
    *out += &verdicts;
    let _ = writeln!(out, "\nRequests that failed: {}.", drive.errors);
    Ok(())
}
