//! `cargo xtask bench queue`: durable enqueue at the store's API, beside Redis Streams and PostgreSQL, and a large backlog.

mod backlog;
mod producers;

use super::machine::{self, First};
use super::stats::spread;
use producers::{Contender, Turn, ours, postgres, redis};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Producers at once, how long a turn lasts, and how many turns each has.
const LOADS: [(usize, Duration, usize); 3] = [
    (1, Duration::from_millis(1500), 3),
    (16, Duration::from_millis(1500), 3),
    (128, Duration::from_secs(3), 3),
];

const METHOD: &str = "# Durable enqueue, beside Redis Streams and PostgreSQL

```sh
apt-get install redis-server postgresql
cargo xtask bench queue > bench/queue.md   # about a minute
```

Each of so many producers puts a job of 1 KiB and waits until it is on disk, then puts the next; all on the machine's two
cores, clients included. Plimsoll: `store::Queue` in this process (SQLite, `synchronous=FULL`, with the counts, the due
index and the ordering index that delivery needs). Redis: `XADD` over a connection per producer, `appendfsync always`. PostgreSQL:
`INSERT` of a prepared statement over a connection per producer into a table with an index on when it is due, `fsync` and
`synchronous_commit` on. The three take turns; ratios are medians of neighbouring turns with their range. An `fsync` of these
disks may be a lie of the virtual machine; it is the same for all three. The store is built as tests are (`opt-level = 2`).

";

pub fn run() -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(Path::new("target/debug/plimsoll"));
    let _first = First::now();
    machine::open_many_files();
    let dir = machine::folder()?;
    beside(dir.path(), &mut out)?;
    backlog::measure(dir.path(), &mut out)?;
    Ok(out)
}

fn beside(dir: &Path, out: &mut String) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let redis_server = peers::Redis::start(&[["appendonly", "yes"], ["appendfsync", "always"]])?;
    let pg_server = peers::Postgres::start(&["fsync=on", "max_connections=200"])?;
    let store = ours(dir)?;
    let _ = writeln!(
        out,
        "\n| producers | Plimsoll/s | p50 ms | p99 ms | Redis/s | p99 ms | PostgreSQL/s | p99 ms | times Redis | times PostgreSQL |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for (producers, lasts, turns) in LOADS {
        let mut contenders = runtime.block_on(async {
            Ok::<_, String>([
                Contender::Store(store.clone()),
                redis(&redis_server, producers).await?,
                postgres(&pg_server, producers).await?,
            ])
        })?;
        let mut all: [Vec<Turn>; 3] = Default::default();
        for _ in 0..turns {
            for (contender, turns) in contenders.iter_mut().zip(&mut all) {
                turns.push(runtime.block_on(contender.turn(producers, lasts))?);
            }
        }
        let number = |turns: &[Turn], of: fn(&Turn) -> f64| {
            spread(&turns.iter().map(of).collect::<Vec<_>>()).map_or(0.0, |s| s.median)
        };
        let times = |peer: &[Turn]| {
            let ratios = all[0].iter().zip(peer).map(|(a, b)| a.rate / b.rate);
            let s = spread(&ratios.collect::<Vec<_>>());
            s.map_or(String::new(), |s| {
                format!("{:.1} ({:.1}–{:.1})", s.median, s.low, s.high)
            })
        };
        let [ours, redis, pg] = &all;
        let _ = writeln!(
            out,
            "| {producers} | {:.0} | {:.2} | {:.1} | {:.0} | {:.1} | {:.0} | {:.1} | {} | {} |",
            number(ours, |t| t.rate),
            number(ours, |t| t.p50_ms),
            number(ours, |t| t.p99_ms),
            number(redis, |t| t.rate),
            number(redis, |t| t.p99_ms),
            number(pg, |t| t.rate),
            number(pg, |t| t.p99_ms),
            times(redis),
            times(pg),
        );
    }
    let _ = writeln!(
        out,
        "\nTargets with 128 producers: 2 times Redis, 5 times PostgreSQL, p99 below 25 ms.\n"
    );
    Ok(())
}
