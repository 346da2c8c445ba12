//! `cargo xtask bench hit`: what an answer from the cache costs, beside HAProxy and Varnish, on one core.

use super::cores;
use super::drive::Drive;
use super::machine::{self, First};
use super::peers::{self, Proxy, Stage};
use super::proxy::{Turn, paired, range};
use std::fmt::Write;
use std::path::Path;

const CONNECTIONS: usize = 64;
/// Most CPU per hit, of each peer's.
const TARGETS: [f64; 2] = [0.80, 0.45];

const METHOD: &str = "# What an answer from the cache costs, beside HAProxy and Varnish

```sh
apt-get install haproxy varnish
cargo xtask bench hit --pairs 6 > bench/hit.md   # about two minutes, after a build with fat LTO
```

As in [proxy.md](proxy.md): one core for each proxy, one thread of ours and of HAProxy (Varnish has a thread per connection
at work), 64 keep-alive connections, requests of 331 bytes with a cookie, answers of 1 KiB that are fresh for an hour.
HAProxy's cache has no `Vary`; Varnish is told to look up requests with cookies, which it passes by default.

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
    let ours = peers::plimsoll_cache(&stage, plimsoll, "{}")?;
    let theirs: [Proxy; 2] = [peers::haproxy_cache(&stage)?, peers::varnish(&stage)?];
    let _ = writeln!(
        out,
        "\n| peer | CPU per hit, peer = 1 | target | peer µs | Plimsoll µs | of it traffic thread | requests to the upstream |\n|---|---|---|---|---|---|---|"
    );
    for (peer, target) in theirs.iter().zip(TARGETS) {
        let before = drive.answered;
        let turns = paired(&mut drive, [peer, &ours], pairs, CONNECTIONS, None)?;
        let ratio = |f: fn(&Turn) -> f64| range(&turns, 2, move |(a, b)| f(b) / f(a));
        let _ = writeln!(
            out,
            "| {} | {} | {target} | {} | {} | {} | {} |",
            peer.name,
            ratio(|t| t.all),
            range(&turns, 1, |(a, _)| a.all),
            range(&turns, 1, |(_, b)| b.all),
            range(&turns, 1, |(_, b)| b.path),
            drive.answered - before,
        );
    }
    let _ = writeln!(out, "\nRequests that failed: {}.", drive.errors);
    Ok(())
}
